"""RecordingPlayer: the pictures of a recording with its saved joints, on a thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.recording.picture_files import pictures_folder
from poseapp.live.slot import Slot
from poseapp.live.worker import Worker
from poseapp.review.clip_reader import ClipReader
from poseapp.review.picture_reader import PictureReader
from poseapp.review.playback import Playback
from poseapp.review.saved_poses import SavedPoses, read_saved_poses

CLEAN, ANNOTATED = "clean.mkv", "annotated.mkv"
LOOK_S = 0.2  # how often the thread looks whether it is to end


def is_recording(folder: Path) -> bool:
    """Whether *folder* looks like a recording."""
    return (folder / MANIFEST).is_file()


class RecordingPlayer:
    """Plays the recording in *folder*: ``take`` gives the newest picture as a Result, ``playback`` is for the user's commands.

    Making one reads the joints and the times of the pictures, which may take seconds. ``is_drawn`` says that the pictures come
    from annotated.mkv, which has the skeleton on it. ``notes`` are lines for the user about what is missing or damaged.

    Raises RecordError where there is no recording, or nothing in it to show, SourceError where no video in it can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        if not is_recording(folder):
            raise RecordError(f"{folder}: is no recording, there is no {MANIFEST} in it. Choose the folder of a recording.")
        self.saved = read_saved_poses(folder)
        self._reader: ClipReader | PictureReader
        self._reader, self.is_drawn, notes = _open_pictures(folder, self.saved) if self.saved.files else _open_video(folder)
        shorter = _shorter(self._reader, self.saved) if isinstance(self._reader, ClipReader) else ""
        self.notes = [note for note in (self.saved.problem, *notes, shorter) if note]
        self.playback = Playback(playing=not self.saved.files)
        self.playback.load(self._reader.times_s.tolist(), self.saved.files)
        self._times = self._reader.times_s
        if isinstance(self._reader, ClipReader):
            # The joints count from the first captured frame, which may not be the first picture of the annotated video.
            self._times = self._times + self._reader.start_s
        self._results: Slot[Result] = Slot()
        self._error = ""
        self._worker = Worker("review", self._run, self._failed)
        self._skeleton = self.saved.frames[0].poses.skeleton if self.saved.frames else COCO_17

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
        image, t = np.ascontiguousarray(self._reader.picture(number)), float(self._times[number])
        frame = Frame(image, number, t, self.saved.files[number] if self.saved.files else "")
        saved = self.saved.frames[number] if self.saved.files else self.saved.at(t)
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

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            move = self.playback.next(LOOK_S)
            if move is not None and not stop.is_set():
                self._results.put(self.result(move.number))

    def _failed(self, error: str) -> None:
        self._error = error


def _open_video(folder: Path) -> tuple[ClipReader, bool, list[str]]:
    """The reader of the clean video, else of the annotated one; whether it is that; and what there is to say about it."""
    errors: list[str] = []
    for name in (CLEAN, ANNOTATED):
        if not (folder / name).is_file():
            continue
        try:
            reader = ClipReader(folder / name)
        except PoseAppError as error:
            errors.append(str(error))
            continue
        drawn = name == ANNOTATED
        note = "No clean video was recorded: you see the skeleton that was drawn while recording."
        return reader, drawn, [*errors, note] if drawn else errors
    if errors:
        raise RecordError(errors[0])
    raise RecordError(f"{folder}: holds no video, {CLEAN} and {ANNOTATED} are missing. Copy the recording again.")


def _open_pictures(folder: Path, saved: SavedPoses) -> tuple[PictureReader, bool, list[str]]:
    """The reader of the clean pictures of a recording of stills, else of the annotated ones; see ``_open_video``."""
    for name in (CLEAN, ANNOTATED):
        pictures = pictures_folder(folder / name)
        if pictures.is_dir():
            drawn = name == ANNOTATED
            note = "No clean pictures were recorded: you see the skeletons that were drawn while recording."
            return PictureReader(pictures, saved.files), drawn, [note] if drawn else []
    raise RecordError(f"{folder}: holds no pictures, the folders clean and annotated are missing. Copy the recording again.")


def _shorter(reader: ClipReader, saved: SavedPoses) -> str:
    """That there are joints after the last picture, or ""."""
    over = sum(t > reader.times_s[-1] + reader.start_s + 0.5 for t in saved.times_s)
    return f"{reader.name} is shorter than the joints: {over} frames of joints have no picture." if over else ""
