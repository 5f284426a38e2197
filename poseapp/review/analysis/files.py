"""The files of an analysis in the folder of a recording: what is done so far, of what, and how it becomes the recording's joints.

While an analysis goes on, its lines are in ``analysis.part.jsonl``, and ``analysis.part.json`` says which model they come from.
At the end the lines become ``keypoints-all.jsonl``, and ``session.json``, which is replaced as a whole, names that file. The
joints of the live analysis stay in their files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.files import atomic_write
from poseapp.core.json_files import Fields, read_json
from poseapp.core.smoothing import SmoothRule
from poseapp.core.spec import is_name
from poseapp.live.recording import ModelEntry, read_manifest
from poseapp.live.recording.description import to_json
from poseapp.live.recording.folder import private
from poseapp.live.recording.keypoints import KEYPOINTS, append_line, read_line
from poseapp.live.recording.manifest import model_json, replace_manifest, segment_json, utc
from poseapp.live.recording.writers import CLEAN

LINES, ABOUT, LOCK = "analysis.part.jsonl", "analysis.part.json", "analysis.lock"
_ALL = "keypoints-all"


@dataclass(frozen=True)
class Unfinished:
    """An analysis that was stopped: ``done`` of ``total`` pictures."""

    done: int
    total: int


def unfinished_analysis(folder: Path) -> Unfinished | None:
    """The analysis of the recording in *folder* that can go on, if there is one."""
    try:
        content = Fields(read_json(folder / ABOUT, RecordError), RecordError)
        return Unfinished(len(list(_whole_lines(folder / LINES))), content.integer("total"))
    except (OSError, PoseAppError):
        return None


class AnalysisFiles:
    """Those of the recording in *folder*, analysed by *entry* with *smoothing*. One thread at a time uses them."""

    def __init__(self, folder: Path, entry: ModelEntry, smoothing: SmoothRule | None, total: int) -> None:
        self._folder, self._entry, self._smoothing, self._total = folder, entry, smoothing, total
        self._of = self._identity()
        self._file: io.FileIO | None = None

    @property
    def is_done(self) -> bool:
        """Whether the recording's joints come from this very analysis."""
        analysis = read_manifest(self._folder).get("analysis")
        return isinstance(analysis, dict) and analysis.get("of") == self._of

    def open(self) -> list[dict[str, Any]]:
        """Begin, or go on; returns the lines that are there. Those of another model are left out. Raises RecordError."""
        lines: list[dict[str, Any]] = []
        try:
            if self._goes_on():
                lines = [read_line(content, LINES) for content in _whole_lines(self._folder / LINES)]
            else:
                (self._folder / LINES).unlink(missing_ok=True)
                about = {"of": self._of, "total": self._total}
                atomic_write(self._folder / ABOUT, (json.dumps(about) + "\n").encode())
            self._file = io.FileIO(str(self._folder / LINES), "a+", opener=lambda path, flags: private(path, flags))
            self._file.truncate(sum(map(len, _whole_lines(self._folder / LINES))))  # a line that a killed process cut is gone
            self._file.seek(0, io.SEEK_END)
        except OSError as error:
            raise self._cannot(error) from None
        return lines

    def add(self, line: dict[str, Any]) -> None:
        """Write a further line; raises RecordError, and nothing of it is there."""
        assert self._file is not None
        try:
            append_line(self._file, json.dumps(line, separators=(",", ":")))
        except OSError as error:
            raise self._cannot(error) from None

    def close(self) -> None:
        """Leave them as they are, to go on later; safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def finish(self, first_frame: int) -> None:
        """Make the lines the joints of the recording, from *first_frame* on. Raises RecordError: then nothing has changed."""
        self.close()
        content = read_manifest(self._folder)
        before = content.get("analysis") if isinstance(content.get("analysis"), dict) else None
        live = before.get("live") if before is not None else None
        live = live or {key: content[key] for key in ("models", "segments", "counts") if key in content}
        name = self._free_name()
        content |= {
            "models": [model_json(first_frame, self._entry)],
            "segments": [segment_json(first_frame, self._entry.model.skeleton, {KEYPOINTS: name})],
            "analysis": {
                "of": self._of,
                "finished": utc(datetime.now(timezone.utc)),
                "frames": self._total,
                "smoothing": to_json(self._smoothing),
                "live": live,
            },
        }
        counts = content.get("counts")
        if isinstance(counts, dict) and isinstance(counts.get("captured"), int):
            done = {"analysed": self._total, "written": self._total, "lost": 0}
            content["counts"] = {**counts, **done, "not_analysed": counts["captured"] - self._total}
        try:
            (self._folder / LINES).rename(self._folder / name)
            try:
                replace_manifest(self._folder, content)
            except OSError:
                (self._folder / name).rename(self._folder / LINES)
                raise
            (self._folder / ABOUT).unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot(error) from None
        self._remove_before(before, name)

    # -- inside ------------------------------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        """What must be the same to go on: the model with its weights, how it looks for people, and the pictures."""
        entry = model_json(0, self._entry)
        video = (self._folder / CLEAN).stat()
        kept = {key: entry[key] for key in ("mode", "detector")} | {"weights_sha256": self._entry.model.weights_sha256}
        of = {**kept, "model": self._entry.model.name, "smoothing": to_json(self._smoothing), "video_bytes": video.st_size}
        out: dict[str, Any] = json.loads(json.dumps(of))
        return out

    def _goes_on(self) -> bool:
        try:
            content = read_json(self._folder / ABOUT, RecordError)
        except (OSError, PoseAppError):
            return False
        return isinstance(content, dict) and content == {"of": self._of, "total": self._total}

    def _free_name(self) -> str:
        names = [f"{_ALL}.jsonl", *(f"{_ALL}-{n}.jsonl" for n in range(2, 1000))]
        return next(name for name in names if not (self._folder / name).exists())

    def _remove_before(self, before: Any, name: str) -> None:
        """Remove the file of an earlier analysis, which nothing names any more; never one of the live analysis."""
        if before is None:
            return
        for path in self._folder.glob(f"{_ALL}*.jsonl"):
            if path.name != name and is_name(path.name):
                path.unlink(missing_ok=True)

    def _cannot(self, error: OSError) -> RecordError:
        return RecordError(
            f"{self._folder}: cannot be written ({error.strerror}). "
            "Make room there, or make it writable, and start again: the analysis goes on from there."
        )


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of the file at *path* that have an end."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return
