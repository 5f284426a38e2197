"""The recorder: takes captured frames and analysed ones from short queues, and writes each kind on a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Frame, Result
from poseapp.live.recording.counts import Counts
from poseapp.live.recording.description import ModelEntry, Settings, SourceEntry, to_json
from poseapp.live.recording.folder import RESERVE_BYTES, cannot_write, free_bytes, nearly_full, new_folder
from poseapp.live.recording.keypoints import ANNOTATED
from poseapp.live.recording.lane import Lane
from poseapp.live.recording.manifest import MANIFEST, Manifest
from poseapp.live.recording.progress import Recording, RecordingMark, RecordOptions
from poseapp.live.recording.sound import Sound
from poseapp.live.recording.sound_track import SOUND
from poseapp.live.recording.source_hash import SourceHash
from poseapp.live.recording.start_stop import EndedBy, StopRules
from poseapp.live.recording.writers import CLEAN, WRITERS, CleanVideo, RecordingStart, RecordingWriter, part_name
from poseapp.live.sources.base import MOST_SKIPPED, Mode
from poseapp.live.sources.camera_controls import Control
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions

log = logging.getLogger(__name__)

MEASURE_S = 0.5  # how often the size and the room left are asked of the disk


@dataclass(frozen=True)
class _Placed:
    """A frame or a result in the recording: *number* as in ``keypoints.jsonl``, *t* s after the first frame."""

    item: Any
    number: int
    t: float


class Recorder:
    """Writes a recording on threads of its own, from short bounded queues: one for captured frames, one for analysed ones.

    Each frame goes to ``capture`` first, and to ``put`` when it has been analysed. So the clean video depends on no model. Live,
    a full queue loses the frame and counts it; with *lossless* the giver waits instead. Every method may be called from any
    thread, but for ``capture`` and ``put``: one thread at a time calls each. *finished* is called on the recorder's thread when
    all files are closed; *free_bytes* gives the room left on the disk of a folder. *first_index* is the frame that counts as
    number 0, the first one captured where it is None. *mark* is called when the first frame has come, and when the recording
    takes no more, with the lock held; it returns at once. Raises RecordError when the folder cannot be made or the disk is as
    good as full.

    ``_lock`` guards the counts, the numbers of frames, the times and the drawing options.
    """

    def __init__(
        self,
        options: RecordOptions,
        source: SourceEntry,
        stats: Stats,
        *,
        lossless: bool = False,
        finished: Callable[[Recording], None] = lambda _recording: None,
        free_bytes: Callable[[Path], int] = free_bytes,
        first_index: int | None = None,
        mark: Callable[[RecordingMark], None] = lambda _mark: None,
    ) -> None:
        self._stats, self._lossless, self._finished, self._free_bytes = stats, lossless, finished, free_bytes
        self._mark = mark
        self._made = new_folder(options.folder, free_bytes, options.name)
        self.folder, self._free = self._made.path, self._made.free
        self._manifest = Manifest(self.folder, source, options.name, options.tags, options.start_stop)
        self._sound = Sound(options.microphone, self.folder, lossless)
        self._results: Lane[_Placed] = Lane(lossless)
        self._frames: Lane[_Placed] | None = Lane(lossless) if options.clean_video else None
        self._lock = threading.Lock()
        self._closing, self._called_off, self._keep_empty = False, False, True
        self._begin_t = time.monotonic() + options.start_stop.countdown_s if options.start_stop.countdown_s else -math.inf
        self._rules, self._is_full = StopRules(options.start_stop), False
        self._ended_by: EndedBy = ""
        self._counts = Counts()
        self._skipped: list[str] = []
        self._first_index, self._first_t = first_index, 0.0
        self._epoch_t = None if lossless else options.epoch_t  # a file has a clock of its own
        self._last_index = -1  # of the captured frames; -1: none so far
        self._next_number = 0  # of the frame after the last one analysed
        self._bytes, self._seconds = 0, 0.0
        self._draw, self._annotated_video = options.draw, options.annotated_video
        self._settings: Settings | None = None  # of the frame written last
        self._segment, self._skeleton = 1, None  # type: int, Skeleton | None
        self._writers: dict[str, RecordingWriter] = {}  # by the name of the file in the first segment
        self._active, self._error = True, ""
        try:
            self._manifest.write()
        except OSError as error:
            self._made.remove([MANIFEST])
            raise cannot_write(options.folder, error) from None
        self._hash = SourceHash(source, self._manifest.source_hashed)
        self._clean_thread = threading.Thread(target=self._run_clean, name="poseapp-recorder-clean", daemon=True)
        self._thread = threading.Thread(target=self._run, name="poseapp-recorder", daemon=True)
        self._thread.start()

    # -- frames ------------------------------------------------------------------------------------------------

    def capture(self, frame: Frame) -> None:
        """Hand over a frame as it was captured: it belongs to the recording from now on.

        One from before the end of the countdown does not, and one after the length that the user has chosen ends the recording.
        """
        with self._lock:
            if self._closing or self._is_full or frame.t < self._begin_t:
                return
            first = self._last_index < 0
            ended_by = "" if first else self._rules.captured(frame.t - self._first_t)
            if ended_by:
                self._ended_by, self._is_full = ended_by, True
            elif frame.index <= self._last_index:  # a still that stays on the screen is recorded once
                return
            if first:
                self._first_index = frame.index if self._first_index is None else self._first_index
                self._first_t = frame.t if self._epoch_t is None else self._epoch_t
            if not ended_by:
                self._last_index = frame.index
                self._count(captured=1)
                placed = self._place(frame, frame)
            if first:
                self._mark(RecordingMark(True, time.monotonic() if self._lossless else frame.t, self.folder.name))
        if ended_by:
            if not self._lossless:  # else the results of the last frames are still to come
                self.close()
            return
        if first:
            self._sound.begin(self._first_t)
            self._manifest.began(0.0 if self._lossless else max(0.0, time.monotonic() - self._first_t))
        if self._frames is not None:
            self._frames.put(placed, frame.image.nbytes)

    def put(self, result: Result) -> None:
        """Hand over a captured frame with its poses. One that was captured before the recording began is no part of it."""
        with self._lock:
            if self._closing:
                return
            is_over = self._is_full and result.frame.index >= self._last_index
            placed = self._place(result, result.frame) if self._includes(result.frame) else None
            if placed is not None and placed.number < self._next_number:  # the same still again
                placed = None
            if placed is not None:
                self._count(analysed=1)
                self._next_number = placed.number + 1
                ended_by = self._rules.analysed(placed.t, len(result.poses) > len(result.predicted))
                self._ended_by, is_over = self._ended_by or ended_by, is_over or bool(ended_by)
        if placed is not None:
            self._results.put(placed, result.frame.image.nbytes)
        if is_over:
            self.close()

    def includes(self, frame: Frame) -> bool:
        """Whether *frame* has been captured for this recording."""
        with self._lock:
            return not self._closing and self._includes(frame)

    def _includes(self, frame: Frame) -> bool:
        return self._first_index is not None and self._first_index <= frame.index <= self._last_index

    def _place(self, item: Any, frame: Frame) -> _Placed:
        """*item*, which has or is *frame*, in the recording. With the lock held."""
        assert self._first_index is not None, "a frame is captured first"
        return _Placed(item, frame.index - self._first_index, max(0.0, frame.t - self._first_t))

    def _count(self, **more: int) -> None:
        """Add *more* to the counts. With the lock held."""
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})

    # -- what else belongs to a recording ----------------------------------------------------------------------

    def source_opened(self, actual: Mode) -> None:
        """Note the mode in which the source gives pictures."""
        self._manifest.source_opened(actual)

    def source_controlled(self, controls: Sequence[Control]) -> None:
        """Note how exposure and the like of the camera stand now."""
        self._manifest.source_controlled(controls)

    def note_together(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Note the recordings that were made with the same clock, and how far their pictures are apart."""
        self._manifest.note_together(entries)

    def unreadable(self, count: int, skipped: Sequence[str]) -> None:
        """Note that *count* pictures of the source could not be read; *skipped* has a line for each that has a name."""
        with self._lock:
            self._count(unreadable=count)
            self._skipped += skipped[: max(0, MOST_SKIPPED - len(self._skipped))]

    def model_changed(self, entry: ModelEntry) -> None:
        """Note what the frames from now on come from."""
        with self._lock:
            from_frame = self._next_number
        self._manifest.add_model(from_frame, entry)

    def set_draw(self, draw: DrawOptions) -> None:
        """Draw poses with *draw* on the annotated video from now on."""
        with self._lock:
            self._draw = draw

    def close(self, keep_empty: bool = True) -> None:
        """Finish what is in the queues, then the files; returns at once. Without *keep_empty* no frame means no folder.

        Within the countdown the recording is called off: no folder is left.
        """
        with self._lock:
            ends = not self._closing
            if ends:
                self._called_off = self._waits_s() > 0
                self._keep_empty = keep_empty and not self._called_off
            self._closing = True
            if ends and self._last_index >= 0:
                self._mark(RecordingMark(False, time.monotonic(), self.folder.name))
        self._sound.end(time.monotonic())
        self._results.close()
        if self._frames is not None:
            self._frames.close()

    def join(self, timeout_s: float) -> bool:
        """Wait until the files are finished; True when they are."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def taking(self) -> bool:
        """Whether frames are taken: until it is closed, or has stopped by itself."""
        return not self._closing

    @property
    def called_off(self) -> bool:
        """Whether it was closed within its countdown, before a frame was taken."""
        return self._called_off

    def status(self) -> Recording:
        """Where the recording stands."""
        lost, clean_lost = self._results.lost, self._frames.lost if self._frames is not None else 0
        with self._lock:
            rate = self._bytes / self._seconds if self._seconds > 1 else 0.0
            return Recording(
                folder=self.folder,
                active=self._active,
                seconds=self._seconds,
                bytes=self._bytes,
                counts=replace(self._counts, lost=lost, clean_lost=clean_lost),
                segment=self._segment,
                disk_left_s=max(0, self._free - RESERVE_BYTES) / rate if rate > 0 else float("inf"),
                error=self._error,
                waits_s=0.0 if self._closing else self._waits_s(),
                ended_by=self._ended_by,
                sound=self._sound.status(),
            )

    def _waits_s(self) -> float:
        """How much of the countdown is left. With the lock held."""
        return max(0.0, self._begin_t - time.monotonic()) if self._last_index < 0 else 0.0

    # -- the recorder's thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._open_writers()
            if self._frames is not None:
                self._clean_thread.start()
            self._write_results()
        except Exception as error:  # noqa: BLE001 - whatever stops a recording, its files are closed below
            self._stop_by(error)
        finally:
            self.close()
            self._results.end()
            self._close_writers()
            if self._clean_thread.ident is not None:
                self._clean_thread.join()
            elif self._frames is not None:
                self._frames.end()
            self._finish()

    def _finish(self) -> None:
        """Describe what was written, or take the folder away where nothing was."""
        self._hash.end()
        if self._counts.written or self._counts.clean_written or (self._keep_empty and not self._error):
            self._attempt(lambda: self._manifest.finish(self._outcome()))
            videos = [self.folder / name for name in (CLEAN, *(part_name(ANNOTATED, n + 1) for n in range(self._segment)))]
            if self._sound.put_into(videos, self._free_bytes):
                self._attempt(lambda: self._manifest.finish(self._outcome()))
            self._attempt(self._measure)
        else:
            self._sound.drop()
            files = [*(part_name(name, n + 1) for name in WRITERS for n in range(self._segment)), CLEAN, MANIFEST]
            self._made.remove([SOUND, *files, *(Path(name).stem for name in files)])  # a folder of pictures may be empty, too
        with self._lock:
            self._active = False
        self._finished(self.status())

    def _open_writers(self) -> None:
        """Make all writers of the present segment; those made before an error are in ``_writers`` too."""
        start = RecordingStart(
            folder=self.folder,
            annotated_video=self._annotated_video,
            draw=lambda: self._settings.draw if self._settings is not None else self._draw,
            source_fps=lambda: self._manifest.source_fps,
            stats=self._stats,
        )
        for name, make in WRITERS.items():
            writer = make(start, self.folder / part_name(name, self._segment))
            if writer is not None:
                self._writers[name] = writer

    def _close_writers(self) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            self._attempt(writer.close)

    def _write_results(self) -> None:
        """Write what comes, until the recording is to end or the disk is nearly full."""
        measured = time.monotonic()
        for placed in self._results.items():
            self._manifest.write_if_changed()
            if placed is not None:
                try:
                    self._write_result(placed.item, placed.number, placed.t)
                except BaseException:
                    self._results.lose()
                    raise
                self._stats.tick("recording")
                self._written(placed.t, written=1)
            if time.monotonic() - measured > MEASURE_S:
                measured = time.monotonic()
                self._measure()
                if self._free < RESERVE_BYTES:
                    self._set_error(f"The recording stopped: {nearly_full(self._free)}.")
                    return

    def _write_result(self, result: Result, number: int, t: float) -> None:
        """Write an analysed frame, into the files of a new segment where it has another skeleton than those before."""
        skeleton = result.poses.skeleton
        if self._skeleton != skeleton:
            self._begin_segment(number, skeleton)
        with self._lock:
            settings = Settings(draw=self._draw, smoothing=result.smoothing, framing=result.frame.framing)
        if settings != self._settings:
            self._settings = settings
            self._manifest.add_settings(number, settings)
        for writer in self._writers.values():
            writer.write(result, number, t)

    def _begin_segment(self, number: int, skeleton: Skeleton) -> None:
        """From frame *number* on, the joints are those of *skeleton*."""
        if self._skeleton is not None:
            self._close_writers()
            with self._lock:
                self._segment += 1
            self._open_writers()
        self._skeleton = skeleton
        self._manifest.add_segment(number, skeleton, {name: part_name(name, self._segment) for name in self._writers})
        self._manifest.write()  # before its first line: a killed process leaves no line without its joints

    def _written(self, t: float, **more: int) -> None:
        """A frame of the time *t* is in its file."""
        with self._lock:
            self._count(**more)
            self._seconds = max(self._seconds, t)

    def _measure(self) -> None:
        size = 0
        for file in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # somebody else's, or gone since
                size += file.stat().st_size
        free = self._free_bytes(self.folder)
        with self._lock:
            self._bytes, self._free = size, free

    # -- the thread of the clean video -------------------------------------------------------------------------

    def _run_clean(self) -> None:
        assert self._frames is not None
        video = CleanVideo(self.folder / CLEAN, lambda: self._manifest.source_fps)
        try:
            for placed in self._frames.items():
                if placed is None:
                    continue
                try:
                    video.write(placed.item, placed.t)
                except BaseException:
                    self._frames.lose()
                    raise
                self._written(placed.t, clean_written=1)
        except Exception as error:  # noqa: BLE001 - the other files are finished, too
            self._stop_by(error)
        finally:
            self.close()
            self._frames.end()
            self._attempt(video.close)

    # -- the end -----------------------------------------------------------------------------------------------

    def _stop_by(self, error: Exception) -> None:
        """The recording stops because of *error*."""
        expected = isinstance(error, (OSError, FFmpegError))
        log.log(logging.DEBUG if expected else logging.ERROR, "recording stopped", exc_info=error)
        self._set_error(f"The recording stopped: {_why(error)}.")

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
        counts = {**asdict(end.counts), "not_analysed": end.counts.not_analysed}
        seconds, error = round(end.seconds, 3), end.error
        return {
            "seconds": seconds,
            "counts": counts,
            "skipped": skipped,
            "error": error,
            "ended_by": end.ended_by,
            "sound": to_json(end.sound),
        }


def _why(error: Exception) -> str:
    if isinstance(error, (OSError, FFmpegError)):
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "the disk is full; make room, or record to another folder"
        return str(error.strerror or error)
    return f"{type(error).__name__}: {error}"
