"""The recording in which a clip is analysed: its pictures as ``clean.mkv``, with numbers and times, and no joints yet."""

from __future__ import annotations

import threading
from pathlib import Path

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.types import Frame
from poseapp.live.recording import Recorder, RecordOptions, SourceEntry, delete_recording, read_manifest
from poseapp.live.sources import VideoSource
from poseapp.live.stats import Stats
from poseapp.review.analysis.analysis import AnalysisProgress, Tell
from poseapp.review.analysis.files import unfinished_analysis
from poseapp.review.listing import list_recordings

TEXT = "Copying the clip"
_FINISH_S = 600.0  # the writer waits for a slow disk; the hash of the clip is part of it


def copy_clip(path: Path, options: RecordOptions, stop: threading.Event, tell: Tell = lambda _progress: None) -> Path | None:
    """A new recording with all pictures of the clip at *path*; None where *stop* was set: then nothing is left of it.

    Raises PoseAppError where the clip cannot be read or the copy not be written; nothing is left then, either.
    """
    source = VideoSource(path)
    mode = source.open()
    try:
        entry = SourceEntry.of(source, mode)
        recorder = Recorder(
            RecordOptions(folder=options.folder, clean_video=True, name=options.name or path.stem, tags=options.tags),
            entry,
            Stats(),
            lossless=True,
            first_index=0,
        )
        done = False
        try:
            done = _copy(source, recorder, stop, tell)
        finally:
            recorder.unreadable(source.unreadable, source.skipped)
            recorder.close(keep_empty=False)
            finished = recorder.join(_FINISH_S)
            error = recorder.status().error
            if not done or error or not finished:
                _remove(recorder.folder)
        if error or not finished:
            raise RecordError(error or f"{recorder.folder}: the disk is too slow. Choose another folder for recordings.")
        return recorder.folder if done else None
    finally:
        source.close()


def _copy(source: VideoSource, recorder: Recorder, stop: threading.Event, tell: Tell) -> bool:
    count = 0
    while not stop.is_set() and recorder.taking:
        item = source.read()
        if item is None:
            return count > 0
        image, t = item
        recorder.capture(Frame(image, source.place, t))
        count += 1
        tell(AnalysisProgress(count, max(source.frames, count), text=TEXT))
    return False


def _remove(folder: Path) -> None:
    if folder.is_dir():
        try:
            delete_recording(folder)
        except RecordError:  # it stays as what it is: a recording that was stopped
            return


def unfinished_copy(path: Path, parent: Path) -> Path | None:
    """The recording in *parent* in which the analysis of the clip at *path* was stopped, if there is one."""
    try:
        for entry in list_recordings(parent):
            if unfinished_analysis(entry.folder) is None:
                continue
            source = read_manifest(entry.folder).get("source")
            if isinstance(source, dict) and source.get("path") == str(path.absolute()):
                return entry.folder
    except PoseAppError:
        return None
    return None
