"""Where pictures come from: cameras, files, folders, streams and a synthetic figure.

A source is opened, read and closed on the capture thread. Only ``close`` may also come from another
thread, to unblock a device that hangs.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
from av.error import FFmpegError

from poseapp.core.errors import SourceError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, ImageArray

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
STREAM_TIMEOUT_S = 5.0


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


class CameraSource:
    """A camera through OpenCV. MJPG is asked for first: uncompressed HD does not fit through USB 2 at 30 fps."""

    live = True

    def __init__(self, index: int, name: str = "", asked: Mode = DEFAULT_MODE, backend: int = cv2.CAP_ANY) -> None:
        self.index, self.backend = index, backend
        self.name = name or f"Camera {index}"
        self.asked: Mode | None = asked
        self._capture: cv2.VideoCapture | None = None
        self._misses = 0

    def open(self) -> Mode:
        """Open the device and ask for the mode; returns what it granted."""
        assert self.asked is not None
        capture = cv2.VideoCapture(self.index, self.backend)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{self.name}: cannot be opened. Plug it in, or close the other program that uses it.")
        self._capture = capture
        codec = self.asked.codec or "MJPG"
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*codec))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.asked.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.asked.height)
        capture.set(cv2.CAP_PROP_FPS, self.asked.fps)
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
        if self._capture is None:
            raise SourceError(f"{self.name}: is not open.")
        ok, image = self._capture.read()
        now = time.monotonic()
        if not ok or image.size == 0:
            raise SourceError(f"{self.name}: gives no pictures any more. Check its plug.")
        return as_bgr(image, self.name), now

    def close(self) -> None:
        """Release the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


class VideoSource:
    """A video file, decoded by FFmpeg with its presentation times; *loop* starts again at the end."""

    live = False

    def __init__(self, path: Path, loop: bool = False) -> None:
        self.path, self.loop = path, loop
        self.name = path.name
        self.asked: Mode | None = None
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
        try:
            self._container = av.open(str(self.path))
            mode = _video_mode(self._container, self.name)
        except (FFmpegError, IndexError, ValueError) as error:
            self.close()
            raise SourceError(f"{self.path}: not a video that can be read ({_reason(error)}). Try another file.") from None
        self._offset_s, self._last_s = 0.0, -1.0
        self._period_s = 1 / mode.fps if mode.fps > 0 else 1 / 30
        self._pictures = _decode(self._container, self.name)
        return mode

    @property
    def frames(self) -> int:
        """How many frames the file says it has; 0 when it does not say."""
        if self._container is None:
            return 0
        stream = self._container.streams.video[0]
        if stream.frames:
            return int(stream.frames)
        duration = float(self._container.duration or 0) / av.time_base
        return int(duration / self._period_s)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture and its presentation time from the start, strictly growing also over a loop."""
        if self._pictures is None:
            raise SourceError(f"{self.name}: is not open.")
        item = next(self._pictures, None)
        if item is None:
            if self._last_s < 0:
                raise SourceError(f"{self.path}: holds no picture that can be read. The file is truncated or damaged.")
            if not self.loop:
                return None
            self._container.seek(0)
            self._pictures = _decode(self._container, self.name)
            self._offset_s = self._last_s + self._period_s
            item = next(self._pictures, None)
            if item is None:
                return None
        image, t = item
        self._last_s = max(self._offset_s + t, self._last_s + 1e-3)
        return image, self._last_s

    def close(self) -> None:
        """Close the file."""
        container, self._container, self._pictures = self._container, None, None
        if container is not None:
            container.close()


class StreamSource:
    """An RTSP or HTTP address. A stream that ends or stalls counts as lost, and is tried again."""

    live = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = re.sub(r"//[^/@]*@", "//", url)  # no password on the screen or in a manifest
        self.asked: Mode | None = None
        self._container: Any = None
        self._pictures: Iterator[tuple[ImageArray, float]] | None = None

    def open(self) -> Mode:
        """Connect; waits at most five seconds."""
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if self.url.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container = av.open(self.url, options=options, timeout=(STREAM_TIMEOUT_S, STREAM_TIMEOUT_S))
            mode = _video_mode(self._container, self.name)
        except (FFmpegError, IndexError, ValueError) as error:
            self.close()
            raise SourceError(f"{self.name}: cannot be opened ({_reason(error)}). Check the address and the network.") from None
        self._pictures = _decode(self._container, self.name)
        return mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture, at the time it came."""
        if self._pictures is None:
            raise SourceError(f"{self.name}: is not open.")
        item = next(self._pictures, None)
        if item is None:
            raise SourceError(f"{self.name}: the stream has ended.")
        return item[0], time.monotonic()

    def close(self) -> None:
        """Disconnect."""
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
        raise SourceError(f"{self.path}: none of its {len(self._files)} pictures can be read. Give another folder.")

    def read(self) -> tuple[ImageArray, float] | None:
        """The next readable picture."""
        while True:
            if self._next == len(self._files):
                if not self._loop or self._count == 0:
                    return None
                self._next = 0
            file = self._files[self._next]
            self._next += 1
            try:
                image = read_picture(file)
            except SourceError as error:
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
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
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
    number = re.fullmatch(r"(?:camera:?)?(\d*)", text)
    if text and number:
        return CameraSource(int(number.group(1) or 0), asked=asked)
    if text == "synthetic":
        return SyntheticSource()
    if re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", text, re.IGNORECASE):
        return StreamSource(text)
    path = Path(text).expanduser()
    if path.is_dir():
        return FolderSource(path, loop=loop)
    if not path.exists():
        raise SourceError(f"{text or 'source'}: no such file, folder or address. Give camera:0, a path, an address or synthetic.")
    if path.suffix.lower() in PICTURES:
        return PictureSource(path, repeat_fps=10.0 if loop else 0.0)
    return VideoSource(path, loop)


def _video_mode(container: Any, name: str) -> Mode:
    if not container.streams.video:
        raise SourceError(f"{name}: holds no video. Try another file.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    rate = stream.average_rate or stream.guessed_rate
    return Mode(stream.width, stream.height, round(float(rate), 3) if rate else 0.0, stream.codec_context.name)


def _decode(container: Any, name: str) -> Iterator[tuple[ImageArray, float]]:
    """Pictures and their times from the first one; damaged ones are passed over, as players do."""
    first: float | None = None
    try:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                if frame.time is None:
                    continue
                first = frame.time if first is None else first
                yield _upright(frame), float(frame.time - first)
    except FFmpegError as error:
        raise SourceError(f"{name}: cannot be read further ({_reason(error)}).") from None


def _upright(frame: Any) -> ImageArray:
    """A decoded frame as BGR, turned as the file says: phones record sideways and note the angle."""
    image = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    upright: ImageArray = np.ascontiguousarray(np.rot90(image, turns) if turns else image)
    return upright


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error).splitlines()[0]
