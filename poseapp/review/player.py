"""RecordingPlayer: the pictures of a recording with its saved joints, on a thread of its own."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.live.recording import read_segments
from poseapp.live.recording.keypoints import ANNOTATED
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.recording.picture_files import pictures_folder
from poseapp.live.recording.writers import CLEAN
from poseapp.live.slot import Slot
from poseapp.live.worker import Worker
from poseapp.review.clip_reader import ClipReader
from poseapp.review.joined_clips import JoinedClips, Pictures
from poseapp.review.picture_reader import PictureReader
from poseapp.review.playback import Playback
from poseapp.review.saved_poses import SavedPoses
from poseapp.review.saved_recording import SavedRecording

if TYPE_CHECKING:
    from poseapp.review.comparison import Comparison

LOOK_S = 0.2  # how often the thread looks whether it is to end


def is_recording(folder: Path) -> bool:
    """Whether *folder* looks like a recording."""
    return (folder / MANIFEST).is_file()


class RecordingPlayer:
    """Plays the recording in *folder*: ``take`` gives the newest picture as a Result, ``playback`` is for the user's commands.

    Making one reads the joints and the times of the pictures, which may take seconds. ``is_drawn`` says that the pictures come
    from the annotated video, which has the skeleton on it. ``recording`` are the joints as data, None where none can be read;
    ``problem`` says why, or what is damaged in them, or "". ``notes`` are all lines for the user.

    Raises RecordError where there is no recording, or nothing in it to show, SourceError where no video in it can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        if not is_recording(folder):
            raise RecordError(f"{folder}: is no recording, there is no {MANIFEST} in it. Choose the folder of a recording.")
        self.recording, self.problem = _read(folder)
        self.saved = SavedPoses(self.recording)
        files = self.saved.files
        self._reader, self.is_drawn, notes = _open_pictures(folder, files) if files else open_video(folder)
        unknown = [
            f"The skeleton {name} is not known here: its joints are shown without limbs." for name in self.saved.unknown_skeletons
        ]
        self.notes = [note for note in (self.problem, *unknown, *notes, _shorter(self._reader, self.saved)) if note]
        self.playback = Playback(playing=not files)
        self.playback.load(self._reader.times_s.tolist(), files)
        # The joints count from the first captured frame, which may not be the first picture of the annotated video.
        self._times = self._reader.times_s + self._reader.start_s
        self.comparison: Comparison | None = None  # what is shown with each picture; any thread may change it
        self._results: Slot[Result] = Slot()
        self._error = ""
        self._worker = Worker("review", self._run, self._failed)
        self._skeleton = self.recording.parts[0].skeleton if self.recording is not None and self.recording.parts else COCO_17

    @property
    def start_s(self) -> float:
        """The time of the first picture in the recording, s; the playback counts from there."""
        return self._reader.start_s

    def start(self) -> None:
        """Begin to play; once."""
        self._worker.start()

    def take(self, timeout_s: float = 0.0) -> Result | None:
        """The newest picture not yet taken; None when there is none within *timeout_s*."""
        return self._results.take(timeout_s)

    @property
    def error(self) -> str:
        """Why it ended by itself, or ""."""
        return self._error

    def request_stop(self) -> None:
        """End soon; does not wait."""
        self._worker.request_stop()
        self.playback.pause()

    def close(self) -> None:
        """End, and close the file; waits for that. Also of a player that was not started."""
        self.request_stop()
        if self._worker.join(5.0):
            self._reader.close()

    def result(self, number: int) -> Result:
        """Picture *number* with its joints, at its time in the recording. Raises SourceError.

        For the thread that reads, or while none does.
        """
        image, t, files = np.ascontiguousarray(self._reader.picture(number)), float(self._times[number]), self.saved.files
        frame = Frame(image, number, t, files[number] if files else "")
        saved = self.saved.frame(number) if files else self.saved.at(t)
        if saved is None:
            return Result(frame=frame, poses=Poses.none(self._skeleton))
        return Result(
            frame=frame,
            poses=saved.poses,
            smoothed=saved.smoothed,
            predicted=saved.predicted,
            locked=saved.locked,
            mode=saved.mode,
            model=saved.model,
        )

    def time_of(self, number: int) -> float:
        """The time of picture *number* in the recording, s; of the nearest there is."""
        return float(self._times[min(max(0, number), len(self._times) - 1)])

    def number_at(self, t: float) -> int:
        """The picture that is shown at *t* s of the recording; the first or the last one before and after it."""
        at = int(np.searchsorted(self._times, t + 1e-6, side="right")) - 1
        return min(max(0, at), len(self._times) - 1)

    def _compared(self, number: int) -> Result:
        """Picture *number*, and the one of the other recording that belongs to it."""
        result, comparison = self.result(number), self.comparison
        return result if comparison is None else replace(result, beside=comparison.at(float(self._times[number])))

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            move = self.playback.next(LOOK_S)
            if move is not None and not stop.is_set():
                self._results.put(self._compared(move.number))

    def _failed(self, error: str) -> None:
        self._error = error


def _read(folder: Path) -> tuple[SavedRecording | None, str]:
    """The joints of the recording in *folder*, None where no line can be read; and what is wrong with them, or ""."""
    try:
        recording = SavedRecording.read(folder)
    except RecordError as error:
        return None, f"{error} The video is shown without joints."
    return recording, recording.damage


def open_video(folder: Path) -> tuple[Pictures, bool, list[str]]:
    """The pictures of the clean video, else of the annotated ones; whether it is those; and what there is to say about it."""
    clean = folder / CLEAN
    errors: list[str] = []
    if clean.is_file():
        try:
            return ClipReader(clean), False, []
        except PoseAppError as error:
            errors.append(str(error))
    readers: list[ClipReader] = []
    for path in filter(Path.is_file, _annotated(folder)):
        try:
            readers.append(ClipReader(path))
        except PoseAppError as error:
            errors.append(str(error))
    if readers:
        note = "No clean video was recorded: you see the skeleton that was drawn while recording."
        return readers[0] if len(readers) == 1 else JoinedClips(readers), True, [*errors, note]
    if errors:
        raise RecordError(errors[0])
    raise RecordError(f"{folder}: holds no video, {CLEAN} and {ANNOTATED} are missing. Copy the recording again.")


def _annotated(folder: Path) -> list[Path]:
    """The annotated videos, one for each segment, whether they are there or not."""
    try:
        videos = [segment.video for segment in read_segments(folder)]
    except RecordError:
        videos = [folder / ANNOTATED]
    return list(dict.fromkeys(videos))


def _open_pictures(folder: Path, files: list[str]) -> tuple[Pictures, bool, list[str]]:
    """The clean pictures of a recording of stills, else the annotated ones; see ``open_video``."""
    clean = pictures_folder(folder / CLEAN)
    if clean.is_dir():
        return PictureReader([clean], files), False, []
    note = "No clean pictures were recorded: you see the skeletons that were drawn while recording."
    return PictureReader([pictures_folder(video) for video in _annotated(folder)], files), True, [note]


def _shorter(reader: Pictures, saved: SavedPoses) -> str:
    """That there are joints after the last picture, or ""."""
    if saved.files:
        return ""
    over = sum(t > reader.times_s[-1] + reader.start_s + 0.5 for t in saved.times_s)
    return f"{reader.name} is shorter than the joints: {over} frames of joints have no picture." if over else ""
