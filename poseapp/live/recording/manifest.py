"""``session.json``: how a recording was made, and what became of it.

The file is one JSON object, UTF-8; docs/session.schema.json says what is in it. It is written when the recording begins, again
when something in it changes, and when the recording ends; each time it replaces the old one as a whole. ``read_manifest`` also
reads what older versions have written.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import poseapp
from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_write
from poseapp.core.json_files import read_json
from poseapp.core.skeleton import Skeleton
from poseapp.engine.machine import machine
from poseapp.live.recording.description import ModelEntry, Settings, SourceEntry, to_json, versions
from poseapp.live.recording.old_manifests import from_schema_1, from_schema_2
from poseapp.live.recording.start_stop import StartStop
from poseapp.live.sources.base import Mode
from poseapp.live.sources.camera_controls import Control

MANIFEST = "session.json"
SCHEMA = 3
MOST_BYTES = 16 << 20  # of a manifest: an hour of moving a slider


class Manifest:
    """The description of the recording in *folder*. Any thread may change it; ``write`` is called on the recorder's thread."""

    def __init__(
        self,
        folder: Path,
        source: SourceEntry,
        name: str = "",
        tags: Sequence[str] = (),
        start_stop: StartStop | None = None,
    ) -> None:
        self._path = folder / MANIFEST
        self._lock = threading.Lock()  # guards _content and _source
        self._changed = threading.Event()
        self._source = source
        self._content: dict[str, Any] = {
            "schema": SCHEMA,
            "app": {"name": "poseapp", "version": poseapp.__version__},
            "name": name,
            "tags": list(tags),
            "started": utc(datetime.now(timezone.utc)),
            "start_stop": to_json(start_stop or StartStop()),
            "versions": dict(versions()),
            "machine": machine(),
            "source": {},
            "models": [],
            "settings": [],
            "segments": [],
            "finished": False,
        }

    def began(self, ago_s: float) -> None:
        """The first frame of the recording was captured *ago_s* ago."""
        with self._lock:
            self._content["started"] = utc(datetime.now(timezone.utc) - timedelta(seconds=ago_s))
        self._changed.set()

    def source_opened(self, actual: Mode) -> None:
        """The source gives pictures in the mode *actual*."""
        with self._lock:
            self._source = replace(self._source, actual=actual)
        self._changed.set()

    def source_controlled(self, controls: Sequence[Control]) -> None:
        """Exposure and the like of the camera stand as in *controls*."""
        with self._lock:
            self._source = replace(self._source, controls=tuple(controls))
        self._changed.set()

    def note_together(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Recordings with the same clock, see RecordOptions.epoch_t, and their offsets. The next writing includes them."""
        with self._lock:
            self._content["together"] = [dict(entry) for entry in entries]

    def source_hashed(self, sha256: str) -> None:
        """The file of the source has the hash *sha256*."""
        with self._lock:
            self._source = replace(self._source, sha256=sha256)
        self._changed.set()

    def add_model(self, from_frame: int, entry: ModelEntry) -> None:
        """Frames come from another model, device or mode from *from_frame* on."""
        with self._lock:
            self._content["models"].append(model_json(from_frame, entry))
        self._changed.set()

    def add_settings(self, from_frame: int, settings: Settings) -> None:
        """The user has changed something that counts from *from_frame* on. The next thing that is written includes it."""
        with self._lock:
            self._content["settings"].append({"from_frame": from_frame, **to_json(settings)})

    def add_segment(self, from_frame: int, skeleton: Skeleton, files: Mapping[str, str]) -> None:
        """Analysed frames go into other *files* from *from_frame* on: the names of the first segment's → those of this one."""
        with self._lock:
            self._content["segments"].append(segment_json(from_frame, skeleton, files))
        self._changed.set()

    @property
    def source_fps(self) -> float:
        """The rate of the source as far as it is known, else 0."""
        with self._lock:
            return self._source.actual.fps if self._source.actual is not None else 0.0

    def write_if_changed(self) -> None:
        """Write the file where something has changed since the last time; raises OSError."""
        if self._changed.is_set():
            self.write()

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Write the file with the *outcome* of the recording; raises OSError."""
        with self._lock:
            self._content |= {"finished": True, **outcome}
        self.write()

    def write(self) -> None:
        """Write the file; raises OSError."""
        self._changed.clear()
        with self._lock:
            text = json.dumps(self._content | {"source": to_json(self._source)}, indent=2) + "\n"
        atomic_write(self._path, text.encode(), synced=False)  # a slow disk would cost pictures


def model_json(from_frame: int, entry: ModelEntry) -> dict[str, Any]:
    """What ``models`` says of the model that frames come from, from *from_frame* on."""
    spec = entry.model
    content = {"from_frame": from_frame, "skeleton": to_json(spec.skeleton), **to_json(entry)}
    content["model"]["skeleton"] = spec.skeleton.name
    return content


def segment_json(from_frame: int, skeleton: Skeleton, files: Mapping[str, str]) -> dict[str, Any]:
    """What ``segments`` says of frames that are in *files* from *from_frame* on."""
    return {"from_frame": from_frame, "skeleton": to_json(skeleton), "files": dict(files)}


def replace_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Let *content* be the manifest of the finished recording in *folder*, as a whole or not at all; raises OSError."""
    text = json.dumps(content, indent=2) + "\n"
    atomic_write(folder / MANIFEST, text.encode())


def utc(when: datetime) -> str:
    """*when*, which is in UTC, as manifests have it: ISO 8601, to the ms."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the recording in *folder* with the keys of schema 3, also where it was written by schema 1 or 2.

    Raises RecordError where there is none, or none that this version can read.
    """
    path = folder / MANIFEST

    def wrong(what: str) -> RecordError:
        return RecordError(f"{path}: {what}. Choose the folder of a recording.")

    try:
        content = read_json(path, wrong, most_bytes=MOST_BYTES)
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})") from None
    if not isinstance(content, dict):
        raise wrong("expected a JSON object")
    schema = content.get("schema", 1)
    if schema not in (1, 2, SCHEMA) or isinstance(schema, bool):
        raise RecordError(f"{path}: expected schema 1 to {SCHEMA}, got {schema!r}. Read it with a newer version of the app.")
    if schema == 1:
        content = from_schema_1(content)
    return content if schema == SCHEMA else from_schema_2(content)
