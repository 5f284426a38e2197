"""``session.json``: how a recording was made, and what became of it.

The file is one JSON object, UTF-8. It is written when the recording begins, again when something in it changes, and when the
recording ends; each time it replaces the old one as a whole. Schema 2:

================ ============== ==========================================================================================
key              type           meaning
================ ============== ==========================================================================================
schema           int            2: of this file and of ``keypoints.jsonl`` beside it
app              object         ``name`` and ``version`` of the program
started          str            local time with the offset from UTC, ISO 8601, to the ms
versions         object         ``python``, ``opencv``, ``pyav``
system           str            the operating system
source           object         ``name``: str; ``requested`` and ``actual``: a picture mode or null, where the source has none
                                or has not answered yet. A mode has ``width`` and ``height`` in px, ``fps`` (0: unknown) and
                                ``codec`` (""; unknown)
draw             object         how poses were drawn on ``annotated.mkv``
models           list           an entry for each model, device or mode that frames come from, in order:
                                ``from_frame``: int, the number of its first frame; ``name``; ``sha256`` of the weights;
                                ``backend``: str, runtime, device and precision; ``fallback``: str, why it is not the one
                                requested, or ""; ``mode``: "one", "top-down" or "bottom-up"; ``skeleton``: its ``name`` and
                                the names of its ``keypoints``, in order
finished         bool           false: the recording goes on, or its process was killed. The keys below are there when true
frames           int            how many frames were recorded
seconds          float          the time of the last one, s
dropped          int            frames that came too fast for the disk or the encoder
missed           int            frames that came too fast for the model
unreadable       int            pictures of the source that were damaged
skipped          list of str    a line for each damaged picture that has a file; at most 100
error            str            why the recording ended by itself, or ""
================ ============== ==========================================================================================

Schema 1 has no ``schema``; its ``source`` says ``asked`` and ``granted``, and its models say ``people`` for the mode.
"""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import cv2

import poseapp
from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_write
from poseapp.core.json_files import read_json

MANIFEST = "session.json"
SCHEMA = 2


class Manifest:
    """The description of the recording in *folder*. Any thread may change it; ``write`` is called on the recorder's thread.

    *about* has ``source`` and ``draw``.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._path = folder / MANIFEST
        self._lock = threading.Lock()  # guards _content
        self._changed = threading.Event()
        self._content: dict[str, Any] = {
            "schema": SCHEMA,
            "app": {"name": "poseapp", "version": poseapp.__version__},
            "started": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "versions": {"python": platform.python_version(), "opencv": cv2.__version__, "pyav": av.__version__},
            "system": platform.platform(),
            **about,
            "models": [],
            "finished": False,
        }

    def source_opened(self, actual: Mapping[str, Any]) -> None:
        """The source gives pictures in the mode *actual*."""
        with self._lock:
            self._content["source"] = {**self._content.get("source", {}), "actual": dict(actual)}
        self._changed.set()

    def add_model(self, entry: Mapping[str, Any]) -> None:
        """Frames come from another model, device or mode from now on."""
        with self._lock:
            self._content["models"].append(dict(entry))
        self._changed.set()

    @property
    def source_fps(self) -> float:
        """The rate of the source as far as it is known, else 0."""
        with self._lock:
            actual = self._content.get("source", {}).get("actual") or {}
        return float(actual.get("fps", 0.0))

    def write_if_changed(self) -> None:
        """Write the file where something has changed since the last time; raises OSError."""
        if self._changed.is_set():
            self._changed.clear()
            self.write()

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Write the file with the *outcome* of the recording; raises OSError."""
        with self._lock:
            self._content |= {"finished": True, **outcome}
        self.write()

    def write(self) -> None:
        """Write the file; raises OSError."""
        with self._lock:
            text = json.dumps(self._content, indent=2) + "\n"
        atomic_write(self._path, text.encode(), synced=False)  # a slow disk would cost pictures


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the recording in *folder* with the keys of schema 2, also where it was written by schema 1.

    Raises RecordError where there is none, or none that this version can read.
    """
    path = folder / MANIFEST

    def wrong(what: str) -> RecordError:
        return RecordError(f"{path}: {what}. Choose the folder of a recording.")

    try:
        content = read_json(path, wrong)
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})") from None
    if not isinstance(content, dict):
        raise wrong("expected a JSON object")
    schema = content.get("schema", 1)
    if schema == SCHEMA:
        return content
    if schema != 1:
        raise RecordError(f"{path}: expected schema 1 or {SCHEMA}, got {schema!r}. Read it with a newer version of the app.")
    return _from_schema_1(content)


def _from_schema_1(content: dict[str, Any]) -> dict[str, Any]:
    def renamed(part: Any, names: Mapping[str, str]) -> Any:
        return {names.get(key, key): value for key, value in part.items()} if isinstance(part, dict) else part

    out: dict[str, Any] = {"schema": SCHEMA, **content}
    if "source" in out:
        out["source"] = renamed(out["source"], {"asked": "requested", "granted": "actual"})
    if isinstance(out.get("models"), list):
        out["models"] = [renamed(model, {"people": "mode"}) for model in out["models"]]
    return out
