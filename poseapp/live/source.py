"""Where pictures come from: cameras, files, folders, streams and a synthetic figure.

A source is opened, read and closed on the capture thread. Only ``close`` may also come from another
thread, to unblock a device that hangs.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError

from poseapp.core.addresses import address_name, without_secrets
from poseapp.core.errors import SourceError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, ImageArray

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
STREAM_TIMEOUT_S = 5.0
CAMERA_TIMEOUT_S = 5  # OpenCV's own is 10 s on Linux


@dataclass(frozen=True)
class Mode:
    """Picture size and rate of a source; ``fps`` 0 = unknown."""

    width: int
    height: int
    fps: float
    codec: str = ""

    def __str__(self) -> str:
        text = f"{self.width}×{self.height}"
        if self.fps > 0:
            text += f" at {self.fps:g} fps"
        return text + (f", {self.codec}" if self.codec else "")


DEFAULT_MODE = Mode(1280, 720, 30.0, "MJPG")


class Source(Protocol):
    """Something that gives pictures. ``live`` sources come at their own time and may come back when lost."""

    name: str
    live: bool
    asked: Mode | None

    def open(self) -> Mode:
        """Start; returns what was granted. Raises SourceError."""
        ...

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture (H, W, 3) uint8 BGR and its time in s, or None at the end. Raises SourceError.

        The time of a live source is the capture time on the monotonic clock; of any other, the
        presentation time from its start.
        """
        ...

    def close(self) -> None:
        """Give the device back; safe to call twice, and from another thread."""
        ...


@dataclass(frozen=True)
class Camera:
    """A camera of this machine."""

    index: int
    name: str
    backend: int = 0
    path: str = ""


def list_cameras() -> list[Camera]:
    """The cameras plugged in now, by name. Takes a while on some systems: call it off the UI thread."""
    from cv2_enumerate_cameras import enumerate_cameras

    backend = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}.get(sys.platform, cv2.CAP_ANY)
    try:
        found = enumerate_cameras(backend)
    except Exception as error:  # a driver's own failure must not take the list of other sources with it
        raise SourceError(f"cameras: cannot be listed ({error}). Give the camera by number: camera:0.") from None
    # On Linux one camera has several nodes of one name; the first is the one that gives pictures.
    seen: set[tuple[str, str]] = set()
    cameras = []
    for info in found:
        key = (info.name, _usb_place(info.path or ""))
        if key in seen:
            continue
        seen.add(key)
        cameras.append(Camera(info.index, info.name or f"Camera {info.index}", backend, info.path or ""))
    return cameras


def _usb_place(device: str) -> str:
    """What tells two cameras of one name apart: the device behind a /dev/video node."""
    node = Path("/sys/class/video4linux") / Path(device).name / "device"
    try:
        return str(node.resolve(strict=True))
    except OSError:
        return device


class _Device:
    """Something that a read may be using while another thread closes it.

    Neither OpenCV nor FFmpeg allows that (FFmpeg's memory would be freed under the read, which crashes), so such
    a close leaves the work to the reading thread, which closes the source when its read has returned.
    """

    def __init__(self) -> None:
        self._in_use = threading.RLock()

    def close(self) -> None:
        """Give the device back, unless another thread is using it just now."""
        if self._in_use.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._in_use.release()

    def _release(self) -> None:
        raise NotImplementedError


class CameraSource(_Device):
    """A camera through OpenCV. MJPG is asked for first: uncompressed HD does not fit through USB 2 at 30 fps."""

    live = True

    def __init__(self, index: int, name: str = "", asked: Mode = DEFAULT_MODE, backend: int = cv2.CAP_ANY) -> None:
        super().__init__()
        self.index, self.backend = index, backend
        self.name = name or f"Camera {index}"
        self.asked: Mode | None = asked
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> Mode:
        """Open the device and ask for the mode; returns what it granted."""
        assert self.asked is not None
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(CAMERA_TIMEOUT_S))  # read when a camera first waits
        with self._in_use:
            capture = cv2.VideoCapture(self.index, self.backend)
            if not capture.isOpened():
                capture.release()
                raise SourceError(f"{self.name}: cannot be opened. Plug it in, or close the other program that uses it.")
            self._capture = capture
            return self._ask(capture, self.asked)

    @staticmethod
    def _ask(capture: cv2.VideoCapture, asked: Mode) -> Mode:
        codec = asked.codec or "MJPG"
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*codec))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
        capture.set(cv2.CAP_PROP_FPS, asked.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old frame in the driver's queue is lag
        number = int(capture.get(cv2.CAP_PROP_FOURCC))
        granted_codec = "".join(chr((number >> shift) & 0xFF) for shift in (0, 8, 16, 24)) if number > 0 else ""
        return Mode(
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            round(max(0.0, capture.get(cv2.CAP_PROP_FPS)), 2),
            granted_codec if granted_codec.isprintable() else "",
        )

    def read(self) -> tuple[ImageArray, float] | None:
        """The newest picture; SourceError when the camera gives none any more."""
        with self._in_use:
            if self._capture is None:
                raise SourceError(f"{self.name}: is not open.")
            try:
                ok, image = self._capture.read()
            except cv2.error:  # some drivers' last word when they are unplugged
                ok = False
        now = time.monotonic()
        if not ok or image.size == 0:
            raise SourceError(f"{self.name}: gives no pictures any more. Check its plug.")
        return as_bgr(image, self.name), now

    def _release(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


class VideoSource(_Device):
    """A video file, decoded by FFmpeg with its presentation times; *loop* starts again at the end."""

    live = False

    def __init__(self, path: Path, loop: bool = False) -> None:
        super().__init__()
        self.path, self.loop = path, loop
        self.name = path.name
        self.asked: Mode | None = None
        self.frames = 0  # how many the open file says it has; 0 when it does not say
        self._container: Any = None
        self._pictures: Iterator[tuple[ImageArray, float]] | None = None
        self._offset_s = 0.0
        self._last_s = -1.0
        self._period_s = 1 / 30

    def open(self) -> Mode:
        """Open the file and find its video."""
        if not self.path.is_file():
            raise SourceError(f"{self.path}: no such file. Check the path.")
        if self.path.stat().st_size == 0:
            raise SourceError(f"{self.path}: the file is empty. Record or copy it again.")
        with self._in_use:
            try:
                self._container = av.open(str(self.path), metadata_errors="replace")
                mode = _video_mode(self._container, self.name)
            except (FFmpegError, IndexError, ValueError) as error:
                self.close()
                raise SourceError(f"{self.path}: not a video that can be read ({_reason(error)}). Try another file.") from None
            except SourceError:
                self.close()
                raise
            self._offset_s, self._last_s = 0.0, -1.0
            self._period_s = 1 / mode.fps if mode.fps > 0 else 1 / 30
            duration_s = float(self._container.duration or 0) / av.time_base
            self.frames = int(self._container.streams.video[0].frames or round(duration_s / self._period_s))
            self._pictures = _decode(self._container, self.name, self._period_s)
            return mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture and its presentation time from the start, strictly growing also over a loop."""
        with self._in_use:
            return self._read()

    def _read(self) -> tuple[ImageArray, float] | None:
        if self._pictures is None:
            raise SourceError(f"{self.name}: is not open.")
        item = next(self._pictures, None)
        if item is None:
            if self._last_s < 0:
                raise SourceError(f"{self.path}: holds no picture that can be read. The file is truncated or damaged.")
            if not self.loop:
                return None
            self._rewind()
            self._pictures = _decode(self._container, self.name, self._period_s)
            self._offset_s = self._last_s + self._period_s
            item = next(self._pictures, None)
            if item is None:
                return None
        image, t = item
        self._last_s = max(self._offset_s + t, self._last_s + 1e-3)
        return image, self._last_s

    def _rewind(self) -> None:
        try:
            self._container.seek(0)
        except FFmpegError:  # bare H.264 and the like know no places: begin anew
            self._container.close()
            try:
                self._container = av.open(str(self.path), metadata_errors="replace")
                _video_mode(self._container, self.name)
            except (FFmpegError, OSError, IndexError, ValueError) as error:
                raise SourceError(f"{self.path}: cannot be opened again ({_reason(error)}). Is it still there?") from None

    def _release(self) -> None:
        container, self._container, self._pictures = self._container, None, None
        if container is not None:
            container.close()


class StreamSource(_Device):
    """An RTSP or HTTP address. A stream that ends or stalls counts as lost, and is tried again.

    What has a known length is a clip on a server: it is played at its own speed, and its end is an end.
    """

    live = True

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.name = address_name(url)  # no password on the screen or in a manifest
        self.asked: Mode | None = None
        self._container: Any = None
        self._pictures: Iterator[tuple[ImageArray, float]] | None = None
        self._length_s: float | None = None
        self._begun = self._last_s = 0.0

    def open(self) -> Mode:
        """Connect; waits at most five seconds."""
        options = {"flags": "low_delay"}
        if self.url.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        with self._in_use:
            try:
                self._container = av.open(
                    self.url, options=options, timeout=(STREAM_TIMEOUT_S, STREAM_TIMEOUT_S), metadata_errors="replace"
                )
                mode = _video_mode(self._container, self.name, live=True)
            except (FFmpegError, IndexError, ValueError) as error:
                raise SourceError(
                    f"{self.name}: cannot be opened ({_reason(error)}). Check the address and the network."
                ) from None
            self._pictures = _decode(self._container, self.name, 1 / mode.fps if mode.fps > 0 else 1 / 30)
            length = self._container.duration
            self._length_s = length / av.time_base if length else None
            self._begun, self._last_s = time.monotonic(), 0.0
            return mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture, at the time it came."""
        with self._in_use:
            if self._pictures is None:
                raise SourceError(f"{self.name}: is not open.")
            item = next(self._pictures, None)
        if item is None:
            if self._length_s is not None and self._last_s > self._length_s - 1.0:
                return None
            raise SourceError(f"{self.name}: the stream has ended.")
        image, self._last_s = item
        if self._length_s is not None:
            # Never more than a second, should its times be wrong.
            time.sleep(min(1.0, max(0.0, self._begun + self._last_s - time.monotonic())))
        return image, time.monotonic()

    def _release(self) -> None:
        container, self._container, self._pictures = self._container, None, None
        if container is not None:
            container.close()


class PictureSource:
    """One picture; in the window it is shown again and again, so that every control can be tried on it."""

    live = False

    def __init__(self, path: Path, repeat_fps: float = 0.0) -> None:
        self.path, self._repeat_fps = path, repeat_fps
        self.name = path.name
        self.asked: Mode | None = None
        self._image: ImageArray | None = None
        self._count = 0

    def open(self) -> Mode:
        """Read the picture."""
        self._image, self._count = read_picture(self.path), 0
        return Mode(self._image.shape[1], self._image.shape[0], self._repeat_fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The picture, once or again."""
        if self._image is None or (self._count > 0 and self._repeat_fps <= 0):
            return None
        t = self._count / self._repeat_fps if self._repeat_fps > 0 else 0.0
        self._count += 1
        return self._image, t

    def close(self) -> None:
        """Let go of the picture."""
        self._image = None


class FolderSource:
    """The pictures of a folder by name, *fps* a second. Files that are no pictures are left out; ``skipped`` lists them."""

    live = False

    def __init__(self, path: Path, fps: float = 2.0, loop: bool = False) -> None:
        self.path, self._fps, self._loop = path, fps, loop
        self.name = path.name or str(path)
        self.asked: Mode | None = None
        self.skipped: list[str] = []
        self._files: list[Path] = []
        self._count = 0
        self._next = 0

    def open(self) -> Mode:
        """List the folder; SourceError when it holds no picture."""
        try:
            self._files = sorted(f for f in self.path.iterdir() if f.suffix.lower() in PICTURES and f.is_file())
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror}). Check the path.") from None
        if not self._files:
            raise SourceError(f"{self.path}: holds no pictures ({', '.join(sorted(PICTURES))}). Give another folder.")
        self._count = self._next = 0
        self.skipped = []
        first = self._first_readable()
        return Mode(first.shape[1], first.shape[0], self._fps)

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self._files)

    def _first_readable(self) -> ImageArray:
        for file in self._files:
            try:
                return read_picture(file)
            except SourceError:
                continue
        raise self._nothing_readable()

    def _nothing_readable(self) -> SourceError:
        return SourceError(f"{self.path}: none of its {len(self._files)} pictures can be read. Give another folder.")

    def read(self) -> tuple[ImageArray, float] | None:
        """The next readable picture."""
        failed = 0
        while True:
            if self._next == len(self._files):
                if not self._loop:
                    return None
                self._next = 0
            if failed == len(self._files):
                raise self._nothing_readable()
            file = self._files[self._next]
            self._next += 1
            try:
                image = read_picture(file)
            except SourceError as error:
                failed += 1
                if str(error) not in self.skipped:
                    self.skipped.append(str(error))
                continue
            self._count += 1
            return image, (self._count - 1) / self._fps

    def close(self) -> None:
        """Nothing to give back."""


class SyntheticSource:
    """A moving figure whose joints are known: for trying the app without a camera, for tests and benchmarks.

    ``truth(t)`` gives its joints (17, 2) in frame px at time t. *seconds* None runs for ever.
    """

    live = False
    name = "Synthetic figure"

    def __init__(self, hw: tuple[int, int] = (720, 1280), fps: float = 30.0, seconds: float | None = None) -> None:
        self.hw, self.fps, self.seconds = hw, fps, seconds
        self.asked: Mode | None = None
        self._count = 0
        rows = np.linspace(70, 120, hw[0], dtype=np.float32)[:, None, None]
        self._background = np.broadcast_to(rows * np.array([1.0, 0.95, 0.9], np.float32), (*hw, 3)).astype(np.uint8)

    def open(self) -> Mode:
        """Start at time 0."""
        self._count = 0
        return Mode(self.hw[1], self.hw[0], self.fps)

    @property
    def frames(self) -> int:
        """How many frames there will be; 0 = no end."""
        return 0 if self.seconds is None else round(self.seconds * self.fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture."""
        if self.seconds is not None and self._count >= self.frames:
            return None
        t = self._count / self.fps
        self._count += 1
        return self._draw(self.truth(t)), t

    def close(self) -> None:
        """Nothing to give back."""

    def truth(self, t: float) -> FloatArray:
        """The joints (17, 2) at time *t*: the figure sways, waves and bends its knees."""
        h, w = self.hw
        unit = h * 0.8 / 8  # a figure of eight heads fills 80 % of the height
        sway, dip = np.sin(0.7 * t), 0.5 * (1 - np.cos(1.3 * t))
        x0, top = w / 2 + 0.15 * w * sway, h * 0.1 + 0.5 * unit * dip
        wave = np.sin(3.1 * t)

        def side(sign: float) -> dict[str, tuple[float, float]]:
            name = "left" if sign > 0 else "right"
            shoulder = (x0 + sign * 1.0 * unit, top + 1.6 * unit)
            elbow = (shoulder[0] + sign * 0.9 * unit, shoulder[1] + (0.9 + 0.3 * wave * sign) * unit)
            wrist = (elbow[0] + sign * (0.3 + 0.2 * wave) * unit, elbow[1] - (0.9 * wave * sign) * unit)
            hip = (x0 + sign * 0.55 * unit, top + 4.1 * unit)
            ankle = (x0 + sign * 0.8 * unit, h * 0.1 + 7.7 * unit)
            knee = ((hip[0] + ankle[0]) / 2 + sign * 0.4 * dip * unit, (hip[1] + ankle[1]) / 2)
            eye, ear = (x0 + sign * 0.18 * unit, top + 0.45 * unit), (x0 + sign * 0.38 * unit, top + 0.55 * unit)
            joints = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": hip, "knee": knee, "ankle": ankle}
            return {f"{name}_{joint}": at for joint, at in {**joints, "eye": eye, "ear": ear}.items()}

        places = {"nose": (x0, top + 0.62 * unit), **side(1.0), **side(-1.0)}
        return np.array([places[name] for name in COCO_17.keypoints], np.float32)

    def _draw(self, joints: FloatArray) -> ImageArray:
        image = self._background.copy()
        unit = self.hw[0] * 0.1
        at = {name: tuple(int(v) for v in np.rint(xy)) for name, xy in zip(COCO_17.keypoints, joints, strict=True)}
        skin, shirt, trousers, hair = (135, 165, 215), (120, 70, 50), (70, 60, 55), (35, 45, 60)

        def limb(a: str, b: str, colour: tuple[int, int, int], width: float) -> None:
            cv2.line(image, at[a], at[b], colour, max(1, int(width * unit)), cv2.LINE_AA)

        for side in ("left", "right"):
            limb(f"{side}_hip", f"{side}_knee", trousers, 0.62)
            limb(f"{side}_knee", f"{side}_ankle", trousers, 0.46)
        torso = np.array([at[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")])
        cv2.fillConvexPoly(image, torso, shirt, cv2.LINE_AA)
        limb("left_shoulder", "right_shoulder", shirt, 0.5)
        limb("left_hip", "right_hip", trousers, 0.6)
        for side in ("left", "right"):
            limb(f"{side}_shoulder", f"{side}_elbow", shirt, 0.42)
            limb(f"{side}_elbow", f"{side}_wrist", skin, 0.3)
            cv2.circle(image, at[f"{side}_wrist"], int(0.24 * unit), skin, -1, cv2.LINE_AA)
        nose = at["nose"]
        cv2.line(image, nose, (nose[0], nose[1] + int(0.8 * unit)), skin, int(0.4 * unit), cv2.LINE_AA)
        cv2.ellipse(
            image, (nose[0], nose[1] - int(0.12 * unit)), (int(0.42 * unit), int(0.55 * unit)), 0, 0, 360, skin, -1, cv2.LINE_AA
        )
        cv2.ellipse(
            image, (nose[0], nose[1] - int(0.3 * unit)), (int(0.43 * unit), int(0.42 * unit)), 0, 180, 360, hair, -1, cv2.LINE_AA
        )
        for eye in ("left_eye", "right_eye"):
            cv2.circle(image, at[eye], max(1, int(0.06 * unit)), (30, 30, 30), -1, cv2.LINE_AA)
        return image


def read_picture(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*, grey and transparent ones made BGR. Raises SourceError."""
    try:
        content = np.fromfile(path, np.uint8)  # cv2.imread cannot open every Unicode path on Windows
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    if content.size == 0:
        raise SourceError(f"{path}: the file is empty. Copy it again.")
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error:  # a size that is zero or beyond OpenCV's limit
        image = None
    if image is None or image.size == 0:
        raise SourceError(f"{path}: not a picture that can be read. Try another file.")
    return image.astype(np.uint8, copy=False)


def as_bgr(image: Any, name: str) -> ImageArray:
    """*image* as (H, W, 3) uint8 BGR, C-contiguous, from grey, BGR or BGRA. Raises SourceError on anything else."""
    if image.dtype != np.uint8 or image.size == 0 or image.ndim not in (2, 3):
        raise SourceError(f"{name}: expected an 8-bit picture, got {image.shape} {image.dtype}. Choose another camera mode.")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif channels == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    elif channels != 3:
        raise SourceError(f"{name}: expected 1, 3 or 4 channels, got {channels}. Choose another camera mode.")
    contiguous: ImageArray = np.ascontiguousarray(image)
    return contiguous


def parse_source(text: str, loop: bool = False, asked: Mode = DEFAULT_MODE) -> Source:
    """The source that *text* names.

    ``camera`` or ``camera:1`` or ``1``; ``synthetic``; an rtsp:// or http:// address; the path of a video, a picture
    or a folder. *loop* repeats files, as the window does. Raises SourceError on anything else.
    """
    number = re.fullmatch(r"(?:camera:?)?(\d{0,4})", text)
    if text and number:
        return CameraSource(int(number.group(1) or 0), asked=asked)
    if text == "synthetic":
        return SyntheticSource()
    if re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", text, re.IGNORECASE):
        return StreamSource(text)
    path = Path(text).expanduser()
    if text and path.is_dir():
        return FolderSource(path, loop=loop)
    if not (text and path.exists()):
        shown = without_secrets(text) or "source"
        raise SourceError(f"{shown}: no such file, folder or address. Give camera:0, a path, an address or synthetic.")
    if path.suffix.lower() in PICTURES:
        return PictureSource(path, repeat_fps=10.0 if loop else 0.0)
    return VideoSource(path, loop)


def _video_mode(container: Any, name: str, live: bool = False) -> Mode:
    if not container.streams.video:
        raise SourceError(f"{name}: holds no video that can be read. It may be cut off: try another file.")
    stream = container.streams.video[0]
    # Threads that decode a frame each give the first one when as many have come as there are cores: too late for what is live.
    stream.thread_type = "SLICE" if live else "AUTO"
    rate = stream.average_rate or stream.guessed_rate
    return Mode(stream.width, stream.height, round(float(rate), 3) if rate else 0.0, stream.codec_context.name)


def _decode(container: Any, name: str, period_s: float) -> Iterator[tuple[ImageArray, float]]:
    """Pictures and their times from the first one; damaged ones are passed over, as players do.

    Where a file has no times (bare H.264), its pictures are *period_s* apart.
    """
    first: float | None = None
    t = -period_s
    try:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                if frame.time is None:
                    t += period_s
                else:
                    first = frame.time if first is None else first
                    t = float(frame.time - first)
                yield _upright(frame), t
    except FFmpegError as error:
        raise SourceError(f"{name}: cannot be read further ({_reason(error)}).") from None


def _upright(frame: Any) -> ImageArray:
    """A decoded frame as BGR, turned as the file says: phones record sideways and note the angle."""
    image = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    upright: ImageArray = np.ascontiguousarray(np.rot90(image, turns) if turns else image)
    return upright


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", "") or error).splitlines()[0]
