"""The recorder: takes frames with their poses from a short queue and writes them on a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from poseapp.core.limits import MOST_WAITING_BYTES
from poseapp.core.spec import ModelSpec
from poseapp.core.types import PoseMode, Result
from poseapp.engine.base import Backend
from poseapp.live.recording.folder import RESERVE_BYTES, cannot_write, free_bytes, nearly_full, new_folder
from poseapp.live.recording.manifest import MANIFEST, Manifest
from poseapp.live.recording.writers import WRITERS, RecordingStart, RecordingWriter
from poseapp.live.sources.base import MOST_SKIPPED
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions

log = logging.getLogger(__name__)

QUEUE_FRAMES = 12  # 33 MB of 720p: rides out a slow disk for less than half a second, then frames are dropped and counted
# Live, a frame that has waited longer is dropped and counted: a killed process loses what waits, however slow the encoder is.
LONGEST_WAIT_S = 0.2
MEASURE_S = 0.5  # how often the size and the room left are asked of the disk


@dataclass(frozen=True)
class RecordOptions:
    """``folder`` gets a new dated sub-folder; ``clean_video`` adds the unannotated video; ``draw`` is how poses are drawn."""

    folder: Path
    clean_video: bool = False
    draw: DrawOptions = field(default_factory=DrawOptions)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Where a recording stands.

    ``dropped`` frames came faster than the disk or the encoder took them; ``missed`` frames came faster than the model took
    them; ``unreadable`` pictures of the source were damaged. ``disk_left_s`` is the time until the disk is full at this rate;
    ``error`` says why the recording stopped by itself, or "".
    """

    folder: Path
    active: bool
    seconds: float
    bytes: int
    frames: int
    dropped: int
    missed: int
    unreadable: int
    disk_left_s: float
    error: str

    @property
    def summary(self) -> str:
        """One line for the user."""
        text = f"{self.frames} frames, {self.seconds:.1f} s, {self.bytes / 1e6:.1f} MB in {self.folder}"
        if self.dropped:
            text += f", {self.dropped} frames dropped"
        if self.unreadable:
            text += f", {self.unreadable} pictures unreadable"
        return f"{self.error} {text}" if self.error else text


class Recorder:
    """Writes a recording on a thread of its own, from a short bounded queue.

    Live, a full queue drops the frame and counts it; with *lossless* the giver waits instead. Every method may be called from any
    thread, but for ``put``: one thread at a time calls that. *about* goes into the manifest. *finished* is called on the
    recorder's thread when all files are closed; *free_bytes* gives the room left on the disk of a folder. *first_index* is the
    frame that counts as number 0, the first one recorded where it is None. Raises RecordError when the folder cannot be made or
    the disk is as good as full.

    ``_lock`` guards the counters that ``status`` gives, and ``_first_index``.
    """

    def __init__(
        self,
        options: RecordOptions,
        about: Mapping[str, Any],
        stats: Stats,
        *,
        lossless: bool = False,
        finished: Callable[[Recording], None] = lambda _recording: None,
        free_bytes: Callable[[Path], int] = free_bytes,
        first_index: int | None = None,
    ) -> None:
        self._options, self._stats, self._lossless, self._finished = options, stats, lossless, finished
        self._free_bytes = free_bytes
        self._made = new_folder(options.folder, free_bytes)
        self.folder, self._free = self._made.path, self._made.free
        self._manifest = Manifest(self.folder, about)
        self._queue: queue.Queue[tuple[Result, float]] = queue.Queue(QUEUE_FRAMES)  # each with when it was put there
        self._closing, self._keep_empty = threading.Event(), True
        self._lock = threading.Lock()
        self._frames = self._dropped = self._bytes = 0
        self._missed = self._unreadable = 0  # numbers left out before the last frame taken; those of them that are the source's
        self._skipped: list[str] = []
        self._first_index = first_index
        self._next_number = 0  # of the frame after the last one taken
        self._seconds = 0.0
        self._active, self._error = True, ""
        try:
            self._manifest.write()
        except OSError as error:
            self._made.remove([MANIFEST])
            raise cannot_write(options.folder, error) from None
        self._thread = threading.Thread(target=self._run, name="poseapp-recorder", daemon=True)
        self._thread.start()

    def put(self, result: Result) -> None:
        """Hand over a frame with its poses."""
        with self._lock:
            number = self._number(result)
            self._missed += max(0, number - self._next_number)
            self._next_number = number + 1
        self._queue.maxsize = max(1, min(QUEUE_FRAMES, MOST_WAITING_BYTES // result.frame.image.nbytes))
        while not self._closing.is_set():
            try:
                self._queue.put((result, time.monotonic()), block=self._lossless, timeout=0.2)
                return
            except queue.Full:
                if not self._lossless:
                    self._drop()
                    return

    def _number(self, result: Result) -> int:
        """The number of the frame in the recording. With the lock held."""
        if self._first_index is None:
            self._first_index = result.frame.index
        return result.frame.index - self._first_index

    def source_opened(self, actual: Mapping[str, Any]) -> None:
        """Note the mode in which the source gives pictures."""
        self._manifest.source_opened(actual)

    def unreadable(self, count: int, skipped: Sequence[str]) -> None:
        """Note that *count* pictures of the source could not be read; *skipped* has a line for each that has a name."""
        with self._lock:
            self._unreadable += count
            self._skipped += skipped[: max(0, MOST_SKIPPED - len(self._skipped))]

    def model_changed(self, spec: ModelSpec, backend: Backend, mode: PoseMode) -> None:
        """Note which model the frames from now on come from, and in which *mode*."""
        with self._lock:
            from_frame = self._next_number
        self._manifest.add_model(
            {
                "from_frame": from_frame,
                "name": spec.name,
                "sha256": spec.weights_sha256,
                "backend": str(backend),
                "fallback": backend.fallback,
                "mode": mode,
                "skeleton": {"name": spec.skeleton.name, "keypoints": list(spec.skeleton.keypoints)},
            }
        )

    def close(self, keep_empty: bool = True) -> None:
        """Finish what is in the queue, then the files; returns at once. Without *keep_empty* no frame means no folder."""
        if not self._closing.is_set():
            self._keep_empty = keep_empty
        self._closing.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the files are finished; True when they are."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> Recording:
        """Where the recording stands."""
        with self._lock:
            rate = self._bytes / self._seconds if self._seconds > 1 else 0.0
            return Recording(
                folder=self.folder,
                active=self._active,
                seconds=self._seconds,
                bytes=self._bytes,
                frames=self._frames,
                dropped=self._dropped,
                missed=max(0, self._missed - self._unreadable),
                unreadable=self._unreadable,
                disk_left_s=max(0, self._free - RESERVE_BYTES) / rate if rate > 0 else float("inf"),
                error=self._error,
            )

    # -- the recorder's thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        writers: list[RecordingWriter] = []
        try:
            self._open(writers)
            self._write_frames(writers)
        except Exception as error:  # whatever stops a recording, its files are closed below
            expected = isinstance(error, (OSError, FFmpegError))
            log.log(logging.DEBUG if expected else logging.ERROR, "recording stopped", exc_info=True)
            self._set_error(f"The recording stopped: {_why(error)}.")
        finally:
            self._closing.set()
            for writer in writers:
                self._attempt(writer.close)
            self._attempt(self._measure)
            if self._frames or (self._keep_empty and not self._error):
                self._attempt(lambda: self._manifest.finish(self._outcome()))
            else:
                self._made.remove([*WRITERS, MANIFEST])
            with self._lock:
                self._active = False
            self._finished(self.status())

    def _open(self, writers: list[RecordingWriter]) -> None:
        """Make all writers; those made before an error are in *writers* too."""
        start = RecordingStart(
            folder=self.folder,
            clean_video=self._options.clean_video,
            draw=self._options.draw,
            source_fps=lambda: self._manifest.source_fps,
            stats=self._stats,
        )
        for name, make in WRITERS.items():
            writer = make(start, self.folder / name)
            if writer is not None:
                writers.append(writer)

    def _write_frames(self, writers: Sequence[RecordingWriter]) -> None:
        """Write what comes, until the recording is to end or the disk is nearly full."""
        first_t: float | None = None
        measured = time.monotonic()
        while True:
            self._manifest.write_if_changed()
            closing = self._closing.is_set()  # asked before the queue, so that nothing given before close is missed
            try:
                result, since = self._queue.get(timeout=0 if closing else 0.05)
            except queue.Empty:
                if closing:
                    return
                continue
            if not (self._lossless or closing) and time.monotonic() - since > LONGEST_WAIT_S:
                self._drop()
                continue
            first_t = result.frame.t if first_t is None else first_t
            t = max(0.0, result.frame.t - first_t)
            with self._lock:
                number = self._number(result)
            for writer in writers:
                writer.write(result, number, t)
            self._stats.tick("recording")
            with self._lock:
                self._frames += 1
                self._seconds = t
            if time.monotonic() - measured > MEASURE_S:
                measured = time.monotonic()
                self._measure()
                if self._free < RESERVE_BYTES:
                    self._set_error(f"The recording stopped: {nearly_full(self._free)}.")
                    return

    def _drop(self) -> None:
        with self._lock:
            self._dropped += 1

    def _measure(self) -> None:
        size = 0
        for file in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else's, or gone since
                size += file.stat().st_size
        free = self._free_bytes(self.folder)
        with self._lock:
            self._bytes, self._free = size, free

    def _set_error(self, error: str) -> None:
        with self._lock:
            self._error = self._error or error

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do one step of finishing a recording: its failure must not keep the other steps from being done."""
        try:
            action()
        except Exception as error:  # a writer may fail in any way
            log.debug("while finishing a recording", exc_info=True)
            self._set_error(f"The recording could not be finished: {_why(error)}.")

    def _outcome(self) -> dict[str, Any]:
        """What the manifest says of a recording that has ended."""
        end = self.status()
        with self._lock:
            skipped = list(self._skipped)
        return {
            "frames": end.frames,
            "seconds": round(end.seconds, 3),
            "dropped": end.dropped,
            "missed": end.missed,
            "unreadable": end.unreadable,
            "skipped": skipped,
            "error": end.error,
        }


def _why(error: Exception) -> str:
    if isinstance(error, (OSError, FFmpegError)):
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "the disk is full; make room, or record to another folder"
        return str(error.strerror or error)
    return f"{type(error).__name__}: {error}"
