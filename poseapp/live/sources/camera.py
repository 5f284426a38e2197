"""Cameras of this machine, through OpenCV."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from poseapp.core.errors import SourceError
from poseapp.core.limits import MOST_VIDEO_PIXELS, too_large
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import DEFAULT_MODE, Device, Mode, as_bgr
from poseapp.live.sources.camera_controls import CameraControls, Control, Setting

log = logging.getLogger(__name__)

CAMERA_TIMEOUT_S = 5  # OpenCV's own is 10 s on Linux


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
    except Exception as error:  # noqa: BLE001 - a driver may raise anything; the other sources are still to be listed
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


class CameraSource(Device):
    """A camera through OpenCV. MJPG is requested first: uncompressed HD does not fit through USB 2 at 30 fps.

    *settings* are asked of its controls when it is opened; it keeps the protocol Controllable.
    """

    live = True

    def __init__(
        self,
        index: int,
        name: str = "",
        requested: Mode = DEFAULT_MODE,
        backend: int = cv2.CAP_ANY,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        super().__init__()
        self.index, self.backend = index, backend
        self.name = name or f"Camera {index}"
        self.requested: Mode | None = requested
        self.controls: tuple[Control, ...] = ()
        self._capture: cv2.VideoCapture | None = None
        self._device_controls: CameraControls | None = None
        self._asking = threading.Lock()  # guards what is asked, and whether the camera has been told
        self._settings: dict[str, Setting] = dict(settings or {})
        self._news = self._reset_first = False

    def ask(self, settings: Mapping[str, Setting]) -> None:
        """Ask for *settings* beside what was asked before; the camera is told before its next picture."""
        with self._asking:
            self._settings |= settings
            self._news = True

    def ask_reset(self) -> None:
        """Ask for the settings with which the camera comes."""
        with self._asking:
            self._settings = {}
            self._news = self._reset_first = True

    def open(self) -> Mode:
        """Open the device and request the mode; returns the actual one."""
        assert self.requested is not None
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(CAMERA_TIMEOUT_S))  # read when a camera first waits
        with self._in_use:
            capture = cv2.VideoCapture(self.index, self.backend)
            if not capture.isOpened():
                capture.release()
                raise SourceError(f"{self.name}: cannot be opened. Plug it in, or close the other program that uses it.")
            self._capture = capture
            actual = self._request(capture, self.requested)
            reason = too_large(actual.width, actual.height, MOST_VIDEO_PIXELS)
            if reason:
                self._release()
                raise SourceError(f"{self.name}: {reason}. Choose another camera mode.")
            self._device_controls = CameraControls(capture, f"/dev/video{self.index}" if sys.platform == "linux" else "")
            self._tell_controls()
            return actual

    def _tell_controls(self) -> None:
        """Tell the camera what was asked of its controls since the last time, and see what it does."""
        with self._asking:
            settings, reset_first = dict(self._settings), self._reset_first
            self._news = self._reset_first = False
        assert self._device_controls is not None
        try:
            if reset_first:
                self._device_controls.reset()
            self._device_controls.apply(settings)
            self.controls = self._device_controls.state(settings)
        except cv2.error as error:  # some drivers throw at what they do not know; the picture matters more
            log.debug("%s: controls: %s", self.name, error)

    @staticmethod
    def _request(capture: cv2.VideoCapture, requested: Mode) -> Mode:
        codec = requested.codec or "MJPG"
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*codec))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, requested.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, requested.height)
        capture.set(cv2.CAP_PROP_FPS, requested.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old frame in the driver's queue is lag
        number = int(capture.get(cv2.CAP_PROP_FOURCC))
        actual_codec = "".join(chr((number >> shift) & 0xFF) for shift in (0, 8, 16, 24)) if number > 0 else ""
        return Mode(
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            round(max(0.0, capture.get(cv2.CAP_PROP_FPS)), 2),
            actual_codec if actual_codec.isprintable() else "",
        )

    def read(self) -> tuple[ImageArray, float] | None:
        """The newest picture; SourceError when the camera gives none any more."""
        with self._in_use:
            if self._capture is None:
                raise SourceError(f"{self.name}: is not open.")
            if self._news:
                self._tell_controls()
            try:
                ok, image = self._capture.read()
            except cv2.error:  # some drivers' last word when they are unplugged
                ok = False
        now = time.monotonic()
        if not ok or image.size == 0:
            raise SourceError(f"{self.name}: gives no pictures any more. Check its plug.")
        return as_bgr(image, self.name), now

    def _release(self) -> None:
        capture, self._capture, self._device_controls = self._capture, None, None
        if capture is not None:
            capture.release()
