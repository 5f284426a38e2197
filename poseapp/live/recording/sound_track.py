"""The sound of a recording: it is written beside the videos, on threads of its own, and put into them at the end.

So nothing that a microphone or its driver does can hold up a picture. A killed process leaves the sound in its own file.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from poseapp.core.errors import SoundError
from poseapp.live.recording.folder import private
from poseapp.live.sound import Microphone, SoundBlock
from poseapp.live.sound.base import SoundArray
from poseapp.live.sound.timeline import SoundTimeline

log = logging.getLogger(__name__)

SOUND = "sound.mka"
SILENT_S = 2.0  # so long without a block is reported: a microphone that was unplugged says nothing
TAIL_S = 0.6  # how long the end of the sound is waited for: drivers hand it over late
LET_GO_S = 3.0  # how long a microphone may take to close; then it is left behind
PIECE_S = 0.1  # what is encoded at once: a killed process loses so much, and what waits in the container
LONGEST_WAIT_S = 20.0  # of blocks in memory; on a disk that is slower for longer, sound is lost and counted
BEFORE_S = 1.0  # of sound from before the first picture that is kept: pictures may arrive later than they were taken


@dataclass(frozen=True, kw_only=True)
class SoundState:
    """How the sound of a recording is.

    ``microphone`` is its name, ``rate`` its samples a second, 0 before it answered. ``seconds`` are written, of which ``lost_s``
    are silence, as no sound came. ``drift_ppm`` is by how much the microphone's clock was fast. ``file`` is where the sound is:
    beside the videos, or in them where it is "". ``error`` is one line on what went wrong, or "".
    """

    microphone: str
    rate: int = 0
    channels: int = 1
    codec: str = "flac"
    seconds: float = 0.0
    lost_s: float = 0.0
    drift_ppm: float = 0.0
    file: str = SOUND
    error: str = ""

    def sentence(self) -> str:
        """One line for people."""
        heard = f"{self.seconds:.1f} s of {self.microphone}, {self.lost_s:.2f} s of it lost"
        return f"{heard}. {self.error}" if self.error else heard


class SoundTrack:
    """Listens to *microphone* from now on, and writes what is heard from ``begin`` to ``end`` into SOUND in *folder*.

    Every method may be called from any thread and returns at once, but for ``join``.
    """

    def __init__(self, microphone: Microphone, folder: Path) -> None:
        self._microphone, self._path = microphone, folder / SOUND
        self._changed = threading.Condition()  # guards all below, but for the timeline and the file: they are the thread's
        self._blocks: deque[SoundBlock] = deque()
        self._waiting_s = 0.0
        self._begin_t: float | None = None
        self._end_t: float | None = None
        self._ended = False
        self._state = SoundState(microphone=microphone.name)
        self._heard_t = time.monotonic()
        self._timeline: SoundTimeline | None = None
        self._thread = threading.Thread(target=self._run, name="poseapp-recorder-sound", daemon=True)
        self._thread.start()

    def begin(self, t: float) -> None:
        """The first picture was taken at *t* s of the monotonic clock: there the sound begins."""
        with self._changed:
            self._begin_t = t

    def end(self, t: float) -> None:
        """The recording ends at *t*; nothing happens when it has ended."""
        with self._changed:
            if not self._ended:
                self._end_t, self._ended = t, True
                self._changed.notify_all()

    def join(self) -> bool:
        """Wait until the file is finished; False where the microphone does not let go, or nothing was heard."""
        self._thread.join(TAIL_S + LET_GO_S)
        if self._thread.is_alive():
            self._fail(f"{self._microphone.name}: does not answer. What was heard so far is in {SOUND}.")
            return False
        return self._path.exists()

    def placed(self, file: str, error: str = "") -> None:
        """The sound is in *file* now, or in the videos where that is ""; *error* says why it is not there."""
        with self._changed:
            self._state = replace(self._state, file=file, error=self._state.error or error)

    def status(self) -> SoundState:
        """How it is."""
        with self._changed:
            return self._state

    # -- the microphone's thread -------------------------------------------------------------------------------

    def _deliver(self, block: SoundBlock) -> None:
        with self._changed:
            self._heard_t = time.monotonic()
            rate = self._state.rate or 48_000
            if self._waiting_s > LONGEST_WAIT_S:
                return  # a gap, which the timeline counts
            self._blocks.append(block)
            self._waiting_s += len(block.samples) / rate
            while self._begin_t is None and self._blocks and block.t - self._blocks[0].t > BEFORE_S:
                self._waiting_s -= len(self._blocks.popleft().samples) / rate
            self._changed.notify_all()

    # -- the thread of the sound -------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            mode = self._microphone.open(self._deliver)
            with self._changed:
                self._state = replace(self._state, rate=mode.rate, microphone=self._microphone.name)
                self._heard_t = time.monotonic()
            self._listen(mode.rate)
        except SoundError as error:
            self._fail(str(error))
        except Exception as error:
            log.debug("sound stopped", exc_info=True)
            self._fail(f"{self._microphone.name}: the sound stopped ({error}). The recording goes on without it.")
        finally:
            try:
                self._microphone.close()
            except Exception:
                log.debug("while closing a microphone", exc_info=True)

    def _listen(self, rate: int) -> None:
        writer: _SoundFile | None = None
        try:
            while True:
                blocks, is_over = self._next()
                if self._begin_t is not None:
                    self._timeline = self._timeline or SoundTimeline(rate, self._begin_t)
                    heard = [self._timeline.add(block) for block in blocks]
                    if is_over and self._end_t is not None:
                        heard.append(self._timeline.silence_until(self._end_t))
                    if any(map(len, heard)):
                        writer = writer or _SoundFile(self._path, rate)
                        writer.write(np.concatenate(heard))
                    self._tell()
                if is_over:
                    return
        finally:
            if writer is not None:
                writer.close()

    def _next(self) -> tuple[list[SoundBlock], bool]:
        """The blocks that have come, and whether they are the last ones."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting_s >= PIECE_S or self._ended, PIECE_S)
            if self._ended:
                if self._begin_t is None:
                    return [], True
                end_t = self._end_t if self._end_t is not None else 0.0
                has_end = lambda: bool(self._blocks) and self._blocks[-1].t >= end_t  # noqa: E731
                self._changed.wait_for(has_end, max(0.0, min(TAIL_S, end_t + TAIL_S - time.monotonic())))
                blocks = [block for block in self._blocks if block.t < end_t]
                self._blocks.clear()
                return blocks, True
            if self._begin_t is None:
                return [], False
            blocks, self._waiting_s = list(self._blocks), 0.0
            self._blocks.clear()
            silent = f"{self._microphone.name}: gives no sound. Check its plug; the recording goes on without it."
            if blocks and self._state.error == silent:  # it is there again, and what was lost is counted
                self._state = replace(self._state, error="")
            elif not blocks and not self._state.error and time.monotonic() - self._heard_t > SILENT_S:
                self._state = replace(self._state, error=silent)
            return blocks, False

    def _tell(self) -> None:
        line = self._timeline
        if line is not None:
            with self._changed:
                seconds, lost, drift = round(line.seconds, 3), round(line.lost_s, 3), round(line.drift_ppm, 1)
                self._state = replace(self._state, seconds=seconds, lost_s=lost, drift_ppm=drift)

    def _fail(self, error: str) -> None:
        with self._changed:
            self._state = replace(self._state, error=self._state.error or error, file=SOUND if self._path.exists() else "")


class _SoundFile:
    """FLAC in Matroska: lossless, without the delay of other codecs, and half the size of plain samples."""

    def __init__(self, path: Path, rate: int) -> None:
        # Not buffered: quiet sound is small, and seconds of it would wait in memory when the process is killed.
        self._file = open(path, "wb", buffering=0, opener=private)  # noqa: SIM115 - closed in close
        options = {"flush_packets": "1", "cluster_time_limit": "100"}
        self._container = av.open(self._file, "w", format="matroska", options=options)
        self._stream = self._container.add_stream("flac", rate=rate, layout="mono")
        self._stream.codec_context.format = "s16"
        self._rate, self._count = rate, 0

    def write(self, samples: SoundArray) -> None:
        """Add *samples* (n,) int16. Raises OSError or FFmpegError."""
        step = round(PIECE_S * self._rate)
        for first in range(0, len(samples), step):
            piece = samples[first : first + step]
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._count, Fraction(1, self._rate)
            self._count += len(piece)
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file. Raises OSError or FFmpegError."""
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        finally:
            self._file.close()
