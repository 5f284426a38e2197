"""Recording: annotated video, keypoints and manifest, whole up to the last half second whatever happens.

A recording is a folder: ``annotated.mkv`` (H.264, variable frame rate, presentation times = capture times),
optionally ``clean.mkv``, ``keypoints.jsonl`` (one line a frame) and ``session.json``. Matroska is written in clusters
of half a second that are flushed at once, so a killed process leaves a file that plays.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import math
import os
import platform
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError

import poseapp
from poseapp.core.errors import RecordError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import Frame, ImageArray, People, Result
from poseapp.engine.base import Backend
from poseapp.live.stats import Stats
from poseapp.live.yuv import Yuv420, say_colours
from poseapp.render import DrawOptions, annotate

log = logging.getLogger(__name__)

QUEUE_FRAMES = 12  # 33 MB of 720p: rides out a slow disk for less than half a second, then frames are dropped and counted
RESERVE_BYTES = 64 * 2**20  # stop while there is room left to finish the files
MEASURE_S = 0.5  # how often the size and the room left are asked of the disk
TIME_BASE = Fraction(1, 1000)  # Matroska counts milliseconds
FIRST_PICTURE_MS = 100  # how long the first picture stays, as far as is known


@dataclass(frozen=True)
class RecordOptions:
    """``folder`` gets a new dated sub-folder; ``clean_video`` adds the unannotated video; ``draw`` is how poses are drawn."""

    folder: Path
    clean_video: bool = False
    draw: DrawOptions = field(default_factory=DrawOptions)


@dataclass(frozen=True)
class Recording:
    """Where a recording stands.

    ``disk_left_s`` is the time until the disk is full at this rate; ``error`` why it stopped by itself, or "".
    """

    folder: Path
    active: bool
    seconds: float
    bytes: int
    frames: int
    dropped: int
    disk_left_s: float
    error: str = ""

    @property
    def summary(self) -> str:
        """One line for the user."""
        text = f"{self.frames} frames, {self.seconds:.1f} s, {self.bytes / 1e6:.1f} MB in {self.folder}"
        if self.dropped:
            text += f", {self.dropped} frames dropped"
        return f"{self.error} {text}" if self.error else text


class VideoWriter:
    """H.264 in Matroska with a presentation time for every picture."""

    def __init__(self, path: Path, hw: tuple[int, int]) -> None:
        self._hw = (hw[0] + hw[0] % 2, hw[1] + hw[1] % 2)  # 4:2:0 colour needs even sides
        options = {"flush_packets": "1", "cluster_time_limit": "500"}
        self._container = av.open(str(path), "w", format="matroska", options=options)
        stream = self._container.add_stream("libx264", rate=30)
        stream.height, stream.width = self._hw
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        # No look-ahead and no B-frames: a picture that went in has come out, so a crash loses none of them.
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "g": "60"}
        say_colours(stream.codec_context)
        self._stream, self._yuv = stream, Yuv420(self._hw)
        self._last_pts, self._last_step = -1, FIRST_PICTURE_MS

    def write(self, image: ImageArray, t: float) -> None:
        """Add (H, W, 3) uint8 BGR at *t* s from the start; another size is fitted in with black borders."""
        if image.shape[:2] != self._hw:
            image = _fit(image, self._hw)
        frame = self._yuv.convert(image)
        frame.pts = pts = max(round(t / TIME_BASE), self._last_pts + 1)
        frame.time_base = TIME_BASE
        step = pts - self._last_pts if self._last_pts >= 0 else FIRST_PICTURE_MS
        for packet in self._stream.encode(frame):
            # How long it will be shown is not known yet: as long as those before it, but for a gap among them. So
            # the last one has its share of the duration, as players and ffprobe count it.
            packet.duration = min(step, self._last_step)
            self._container.mux(packet)
        self._last_pts, self._last_step = pts, step

    def close(self) -> None:
        """Write what is still in the encoder and finish the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _fit(image: ImageArray, hw: tuple[int, int]) -> ImageArray:
    h, w = image.shape[:2]
    out = np.zeros((*hw, 3), np.uint8)
    if h <= hw[0] and w <= hw[1] and (hw[0] - h) + (hw[1] - w) <= 2:  # only made even
        out[:h, :w] = image
        return out
    scale = min(hw[0] / h, hw[1] / w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    y, x = (hw[0] - size[1]) // 2, (hw[1] - size[0]) // 2
    out[y : y + size[1], x : x + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return out


def keypoints_line(frame_index: int, t: float, result: Result) -> str:
    """One line of keypoints.jsonl: coordinates in frame px (null = missing), t in s from the first recorded frame.

    *frame_index* counts the frames of the source from the first recorded one: a gap is a dropped frame. ``keypoints`` are
    as found, ``smoothed`` is there while smoothing is on; who has ``carried`` was not looked at in this frame, and is where
    they are expected. ``locked`` is the identity that the user holds on to.
    """
    line: dict[str, Any] = {"frame": frame_index, "t": round(t, 4)}
    if result.locked is not None:
        line["locked"] = result.locked
    line["people"] = [_person(result, n) for n in range(len(result.poses))]
    return json.dumps(line, separators=(",", ":"))


def _person(result: Result, n: int) -> dict[str, Any]:
    """Person n of *result*."""
    poses = result.poses
    person: dict[str, Any] = {
        "id": int(poses.ids[n]),
        "score": round(float(poses.person_score[n]), 4),
        "keypoints": [
            [*_place(x, y), round(score, 4)] for (x, y), score in zip(poses.xy[n].tolist(), poses.score[n].tolist(), strict=True)
        ],
    }
    if result.smoothed is not None:
        person["smoothed"] = [_place(x, y) for x, y in result.smoothed.xy[n].tolist()]
    if int(poses.ids[n]) in result.carried:
        person["carried"] = True
    return person


def _place(x: float, y: float) -> list[float | None]:
    return [round(x, 2), round(y, 2)] if math.isfinite(x) and math.isfinite(y) else [None, None]


def free_bytes(folder: Path) -> int:
    """The room left on the disk of *folder*."""
    return shutil.disk_usage(folder).free


class Recorder:
    """Writes a recording on a thread of its own, from a short bounded queue.

    Live, a full queue drops the frame and counts it; with *lossless* the giver waits instead. *finished* is
    called on the recorder's thread when all files are closed; *free_bytes* tells the room left on the disk of a
    folder. Raises RecordError when the folder cannot be made or the disk is as good as full.
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
    ) -> None:
        self._options, self._stats, self._lossless, self._finished = options, stats, lossless, finished
        self._free_bytes = free_bytes
        self.folder, self._free = _new_folder(options.folder, free_bytes)
        self._manifest: dict[str, Any] = {
            "app": {"name": "poseapp", "version": poseapp.__version__},
            "started": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "versions": {"python": platform.python_version(), "opencv": cv2.__version__, "pyav": av.__version__},
            "system": platform.platform(),
            **about,
            "models": [],
            "finished": False,
        }
        self._queue: queue.Queue[Result] = queue.Queue(QUEUE_FRAMES)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._frames = self._dropped = self._bytes = 0
        self._first_index: int | None = None
        self._next_frame = 0  # the number that the frame after the last one taken has in keypoints.jsonl
        self._seconds = 0.0
        self._active, self._error = True, ""
        self._manifest_changed = threading.Event()
        try:
            self._write_manifest()
        except OSError as error:
            raise _cannot_write(options.folder, error) from None
        self._thread = threading.Thread(target=self._run, name="poseapp-recorder", daemon=True)
        self._thread.start()

    def put(self, result: Result) -> None:
        """Hand over a frame with its poses."""
        while not self._closing.is_set():
            try:
                self._queue.put(result, block=self._lossless, timeout=0.2)
                if self._first_index is None:
                    self._first_index = result.frame.index
                self._next_frame = result.frame.index - self._first_index + 1
                return
            except queue.Full:
                if not self._lossless:
                    with self._lock:
                        self._dropped += 1
                    return

    def source_opened(self, granted: Mapping[str, Any]) -> None:
        """Note in the manifest what the source gives."""
        with self._lock:
            self._manifest["source"] = {**self._manifest.get("source", {}), "granted": dict(granted)}
        self._manifest_changed.set()

    def model_changed(self, spec: ModelSpec, backend: Backend, people: People) -> None:
        """Note in the manifest which model the frames from now on come from, and how *people* are looked for."""
        entry = {
            "from_frame": self._next_frame,
            "name": spec.name,
            "sha256": spec.weights_sha256,
            "backend": str(backend),
            "fallback": backend.fallback,
            "people": people,
            "skeleton": {"name": spec.skeleton.name, "keypoints": list(spec.skeleton.keypoints)},
        }
        with self._lock:
            self._manifest["models"].append(entry)
        self._manifest_changed.set()

    def close(self) -> None:
        """Finish what is in the queue, then the files; returns at once."""
        self._closing.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the files are finished; True when they are."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> Recording:
        """Where the recording stands."""
        with self._lock:
            rate = self._bytes / self._seconds if self._seconds > 1 else 0.0
            left = max(0, self._free - RESERVE_BYTES) / rate if rate > 0 else float("inf")
            return Recording(
                self.folder, self._active, self._seconds, self._bytes, self._frames, self._dropped, left, self._error
            )

    def _run(self) -> None:
        writers: list[tuple[VideoWriter, bool]] = []
        keypoints: io.FileIO | None = None
        try:
            # Unbuffered: every line is with the system, in one piece, as soon as it is made.
            keypoints = io.FileIO(self.folder / "keypoints.jsonl", "w")
            self._write_frames(writers, keypoints)
        except (OSError, FFmpegError) as error:
            log.debug("recording stopped", exc_info=True)
            self._set_error(f"The recording stopped: {_why(error)}.")
        except Exception as error:  # the recorder's only catch-all: whatever stops it, the files are closed below
            log.exception("recording stopped")
            self._set_error(f"The recording stopped: {_why(error)}.")
        finally:
            self._closing.set()
            for writer, _ in writers:
                self._attempt(writer.close)
            if keypoints is not None:
                self._attempt(keypoints.close)
            self._attempt(self._measure)
            self._attempt(lambda: self._write_manifest(finished=True))
            with self._lock:
                self._active = False
            self._finished(self.status())

    def _write_frames(self, writers: list[tuple[VideoWriter, bool]], keypoints: io.FileIO) -> None:
        first: Frame | None = None
        measured = time.monotonic()
        canvas: ImageArray | None = None
        while True:
            if self._manifest_changed.is_set():
                self._manifest_changed.clear()
                self._write_manifest()
            closing = self._closing.is_set()  # asked before the queue, so that nothing given before close is missed
            try:
                result = self._queue.get(timeout=0 if closing else 0.05)
            except queue.Empty:
                if closing:
                    return
                continue
            if first is None:
                first = result.frame
                writers.append((VideoWriter(self.folder / "annotated.mkv", first.hw), True))
                if self._options.clean_video:
                    writers.append((VideoWriter(self.folder / "clean.mkv", first.hw), False))
            t = max(0.0, result.frame.t - first.t)
            for writer, annotated in writers:
                started = time.perf_counter()
                image = result.frame.image
                if annotated:
                    image = canvas = annotate(result, self._options.draw, canvas)
                drawn = time.perf_counter()
                writer.write(image, t)
                if annotated:
                    self._stats.add("draw", (drawn - started) * 1e3)
                    self._stats.add("encode", (time.perf_counter() - drawn) * 1e3)
            _append(keypoints, keypoints_line(result.frame.index - first.index, t, result) + "\n")
            self._stats.tick("recording")
            with self._lock:
                self._frames += 1
                self._seconds = t
            if time.monotonic() - measured > MEASURE_S:
                measured = time.monotonic()
                self._measure()
                if self._free < RESERVE_BYTES:
                    self._set_error(f"The recording stopped: {_nearly_full(self._free)}.")
                    return

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
        """Closing one file must not keep the others from being closed."""
        try:
            action()
        except Exception as error:
            log.debug("while finishing a recording", exc_info=True)
            self._set_error(f"The recording could not be finished: {_why(error)}.")

    def _write_manifest(self, finished: bool = False) -> None:
        with self._lock:
            if finished:
                self._manifest |= {
                    "finished": True,
                    "frames": self._frames,
                    "seconds": round(self._seconds, 3),
                    "dropped": self._dropped,
                    "error": self._error,
                }
            text = json.dumps(self._manifest, indent=2) + "\n"
        temporary = self.folder / "session.json.tmp"
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.folder / "session.json")
        finally:
            temporary.unlink(missing_ok=True)


def _append(file: io.FileIO, line: str) -> None:
    """Write *line* whole or not at all; raises OSError."""
    content = line.encode()
    end = file.tell()
    if file.write(content) != len(content):  # the disk took a part of it
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _new_folder(parent: Path, free_bytes: Callable[[Path], int]) -> tuple[Path, int]:
    """A new folder in *parent*, named after the present second, and the room on its disk; RecordError when it cannot be."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        free = free_bytes(parent)
        if free < RESERVE_BYTES:
            raise RecordError(f"{parent}: {_nearly_full(free)}. Make room, or choose another folder for recordings.")
        for name in (stamp, *(f"{stamp}_{i}" for i in range(2, 1000))):
            try:
                (parent / name).mkdir()
            except FileExistsError:
                continue
            return parent / name, free
    except OSError as error:
        raise _cannot_write(parent, error) from None
    raise RecordError(f"{parent}: too many recordings of one second. Choose another folder for recordings.")


def _cannot_write(folder: Path, error: OSError) -> RecordError:
    return RecordError(f"{folder}: cannot be written ({error.strerror}). Choose another folder for recordings.")


def _nearly_full(free: int) -> str:
    return f"the disk is nearly full ({free / 1e6:.0f} MB left)"


def _why(error: Exception) -> str:
    if isinstance(error, (OSError, FFmpegError)):
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "the disk is full; make room, or record to another folder"
        return str(error.strerror or error)
    return f"{type(error).__name__}: {error}"


def save_snapshot(result: Result, folder: Path, draw: DrawOptions) -> Path:
    """Write the annotated picture, the clean one and the keypoints of *result*; returns the annotated PNG's path.

    Raises RecordError when *folder* cannot be written.
    """
    stem = datetime.now().strftime("snapshot_%Y-%m-%d_%H-%M-%S-%f")[:-3]
    path = folder / f"{stem}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, image in ((path, annotate(result, draw)), (folder / f"{stem}_clean.png", result.frame.image)):
            ok, content = cv2.imencode(".png", image)
            if not ok:
                raise RecordError(f"{file}: the picture cannot be encoded.")
            file.write_bytes(content.tobytes())
        (folder / f"{stem}.json").write_text(keypoints_line(result.frame.index, 0.0, result) + "\n", encoding="utf-8")
    except OSError as error:
        raise _cannot_write(folder, error) from None
    return path
