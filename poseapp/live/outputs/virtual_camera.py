"""Virtual camera: the picture, the picture with skeletons, or skeletons alone, as a camera for other programs.

The size is that of the first frame; later frames of another size are scaled into it, with black bars. On Linux pictures go into
a loopback device. The usual library for Windows and macOS, pyvirtualcam, has the GPL, so the app does without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from poseapp.core.errors import OutputError
from poseapp.core.types import ImageArray
from poseapp.live.outputs.base import OutputAddress, OutputSetup
from poseapp.live.outputs.update import Update
from poseapp.live.outputs.v4l2 import LoopbackDevice, why_no_camera
from poseapp.live.recording import RecordingMark
from poseapp.live.recording.video_writer import even_hw, fit_into
from poseapp.render import DrawOptions, annotate


class CameraDevice(Protocol):
    """Takes pictures of the size with which it was opened."""

    def write(self, image: ImageArray) -> bool:
        """Take *image*; False where it takes no more just now. Raises OutputError."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


OpenDevice = Callable[[str, tuple[int, int]], CameraDevice]


class VirtualCameraOutput:
    """Draws and writes each frame; *open_device* opens the device of a path for pictures of a size. See Output."""

    def __init__(self, address: OutputAddress, setup: OutputSetup, open_device: OpenDevice = LoopbackDevice) -> None:
        self._address, self._setup, self._open_device = address, setup, open_device
        self._device: CameraDevice | None = None  # until the first frame, whose size it has
        self._hw = (0, 0)
        self._canvas: ImageArray | None = None
        self.receiving, self.news, self.dropped = True, "", 0

    def open(self) -> None:
        """See Output."""
        if self._open_device is LoopbackDevice and not self._address.name:
            missing = why_no_camera()
            if missing:
                raise OutputError(missing)

    def send(self, update: Update) -> bool:
        """See Output."""
        if self._device is None:
            self._hw = even_hw(update.result.frame.hw)
            self._device = self._open_device(self._address.name, self._hw)
            path = getattr(self._device, "path", "")
            self.news = f"{path} · {self._hw[1]}×{self._hw[0]}" if path else ""
        self._canvas = annotate(update.result, self._options(), self._canvas)
        written = self._device.write(fit_into(self._canvas, self._hw))
        self.dropped += not written
        return written

    def mark(self, mark: RecordingMark) -> None:
        """A picture does not say it."""

    def close(self) -> None:
        """See Output."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _options(self) -> DrawOptions:
        draw, show = self._setup.settings.draw, self._address.options["show"]
        draw = replace(draw, mirror=False)  # programs for calls mirror their own preview
        if show == "picture":
            return replace(draw, skeleton=False, angles=False, heatmaps=False, fields=False, background="picture")
        return replace(draw, skeleton=True, background="black" if show == "skeleton" else draw.background)
