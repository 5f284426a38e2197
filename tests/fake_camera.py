"""A capture device as OpenCV has it: pictures of the marker figure, and controls as a driver has them."""

from __future__ import annotations

import time
from typing import Any

import cv2
import pytest
from fakes import MarkerSource

from poseapp.core.types import ImageArray
from poseapp.live.sources import camera_controls

E, AE, F, AF = cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_FOCUS, cv2.CAP_PROP_AUTOFOCUS
GAIN, ZOOM = cv2.CAP_PROP_GAIN, cv2.CAP_PROP_ZOOM


class FakeDevice:
    """Stands for cv2.VideoCapture. *values* are the controls that the driver has, with what they are at first.

    As a V4L2 driver does, it takes exposure and focus only while they are not automatic, whole numbers alone, and 0..100 of gain.
    """

    def __init__(self, values: dict[int, float] | None = None, backend: str = "V4L2", fps: float = 200.0) -> None:
        self.values = dict({E: 156.0, AE: 3.0, GAIN: 0.0, F: 20.0, AF: 1.0} if values is None else values)
        self.backend, self.fps = backend, fps
        self.sets: list[tuple[int, float]] = []
        self.mode: dict[int, float] = {}
        self.released = False
        self._figure = MarkerSource(still=True)

    def isOpened(self) -> bool:
        return True

    def getBackendName(self) -> str:
        return self.backend

    def set(self, what: int, value: float) -> bool:
        if what in (
            cv2.CAP_PROP_FRAME_WIDTH,
            cv2.CAP_PROP_FRAME_HEIGHT,
            cv2.CAP_PROP_FPS,
            cv2.CAP_PROP_FOURCC,
            cv2.CAP_PROP_BUFFERSIZE,
        ):
            self.mode[what] = value
            return True
        self.sets.append((what, value))
        if what not in self.values:
            return False
        if what == AE and self.backend == "V4L2" and value not in (1.0, 3.0):
            return False
        if (what == E and self.values.get(AE) == 3.0) or (what == F and self.values.get(AF) == 1.0):
            return False
        self.values[what] = float(min(100, max(0, round(value)))) if what == GAIN else float(round(value))
        return True

    def get(self, what: int) -> float:
        fixed = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 360.0, cv2.CAP_PROP_FPS: self.fps}
        missing = 0.0 if self.backend == "AVFOUNDATION" else -1.0
        return fixed.get(what, self.values.get(what, missing))

    def read(self) -> tuple[bool, ImageArray]:
        time.sleep(1 / self.fps)
        return True, self._figure.picture(0.0)

    def release(self) -> None:
        self.released = True


def plug_in(monkeypatch: pytest.MonkeyPatch, device: FakeDevice) -> None:
    """From now on every camera that is opened is *device*."""

    def opened(*_: Any) -> FakeDevice:
        device.released = False
        return device

    monkeypatch.setattr(cv2, "VideoCapture", opened)
    monkeypatch.setattr(camera_controls, "read_spans", lambda _path: None)  # of a camera that this machine may really have
