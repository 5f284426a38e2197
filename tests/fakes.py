"""Stand-ins for cameras and engines, with known answers: for tests of what lies between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import EngineError, SourceError
from poseapp.core.heatmap import input_from_cells
from poseapp.core.skeleton import COCO_17
from poseapp.core.spec import ModelSpec
from poseapp.core.spec import Source as ModelSource
from poseapp.core.transform import apply, invert
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, Output, Progress, check_crops
from poseapp.live.sources import Mode, SyntheticSource

SPEC = ModelSpec(
    name="fake",
    family="hourglass",
    skeleton=COCO_17,
    input_hw=(192, 144),
    stride=4,
    decode="argmax",
    mapping="udp",
    sigma_px=2.0,
    weights_sha256="0" * 64,
    parameters=0,
    macs=0,
    source=ModelSource("none", "none", "none"),
    metrics={},
    variants={},
)
ANCHORS = (0, 11, 16)  # nose, left hip, right ankle: far apart and not in line
# The standing figure of the synthetic source in a unit of its own: middle at 0, one high.
_STANDING = SyntheticSource((1000, 1000)).truth(0.0)
FIGURE = (_STANDING - _STANDING.mean(axis=0)) / np.ptp(_STANDING[:, 1])
# Each joint as a weighted mean of the anchors; these weights outlive every move and change of size.
_BARYCENTRIC = np.column_stack([FIGURE, np.ones(17)]) @ np.linalg.inv(np.column_stack([FIGURE[list(ANCHORS)], np.ones(3)]))


def wait_until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until *condition* holds; fail after *timeout_s*, which is generous on purpose."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class MarkerSource:
    """A figure of which three joints are seen, as a blue, a green and a red blob; it walks and comes nearer.

    ``truth(t)`` gives its joints (17, 2) in frame px. *still* keeps it in the middle.
    """

    live = False
    name = "marker figure"

    def __init__(
        self, hw: tuple[int, int] = (360, 640), fps: float = 30.0, seconds: float | None = None, still: bool = False
    ) -> None:
        self.hw, self.fps, self.still = hw, fps, still
        self.frames = 0 if seconds is None else round(seconds * fps)
        self.requested: Mode | None = None
        self._count = 0

    def open(self) -> Mode:
        self._count = 0
        return Mode(self.hw[1], self.hw[0], self.fps)

    def read(self) -> tuple[ImageArray, float] | None:
        if self.frames and self._count >= self.frames:
            return None
        t = self._count / self.fps
        self._count += 1
        return self.picture(t), t

    def close(self) -> None:
        pass

    def truth(self, t: float) -> FloatArray:
        h, w = self.hw
        sway, zoom = (0.0, 1.0) if self.still else (np.sin(1.1 * t), 1.0 + 0.15 * np.sin(0.7 * t))
        centre = np.array([w * (0.5 + 0.2 * sway), h * 0.5])
        joints: FloatArray = (centre + FIGURE * h * 0.6 * zoom).astype(np.float32)
        return joints

    def picture(self, t: float) -> ImageArray:
        h, w = self.hw
        image = np.zeros((h, w, 3), np.uint8)
        sigma = h / 90
        xs, ys = np.arange(w), np.arange(h)
        for channel, k in enumerate(ANCHORS):
            x, y = self.truth(t)[k]
            row, column = (np.exp(-np.square(p - at) / (2 * sigma**2)) for p, at in ((xs, x), (ys, y)))
            left, top = int(max(0, x - 5 * sigma)), int(max(0, y - 5 * sigma))  # beyond five sigma it is black
            part = np.s_[top : int(y + 5 * sigma) + 1], np.s_[left : int(x + 5 * sigma) + 1]
            image[(*part, channel)] = np.rint(255 * np.outer(column[part[0]], row[part[1]]))
        return image


class MarkerEngine:
    """Finds the figure of MarkerSource by what it sees in the crop, and nothing else.

    *delay_s* makes it slow; *fails_after* is how many frames it can do.
    """

    def __init__(
        self,
        spec: ModelSpec = SPEC,
        delay_s: float = 0.0,
        fails_after: int | None = None,
        error: Exception | None = None,
        device: str = "CPU",
    ) -> None:
        self._spec, self.delay_s, self._left = spec, delay_s, fails_after
        self._backend = Backend("Fake 1", device, "FP32")
        self._error = error or EngineError(f"{spec.name}: the device is gone.")
        self.closed = False
        self.frames = 0
        self.threads: set[int] = {threading.get_ident()}

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def backend(self) -> Backend:
        return self._backend

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        check_crops(crops, self._spec)
        self.threads.add(threading.get_ident())
        if self.closed:
            raise EngineError(f"{self._spec.name}: the engine is closed.")
        if self._left is not None:
            if self._left == 0:
                raise self._error
            self._left -= 1
        time.sleep(self.delay_s)
        self.frames += 1
        keypoints = np.stack([self._joints(crop) for crop in crops])
        maps = self._heatmaps(keypoints) if heatmaps else None
        return Output(keypoints, maps)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed = True

    def _joints(self, crop: ImageArray) -> FloatArray:
        h, w = self._spec.input_hw
        ys, xs = np.mgrid[:h, :w].astype(np.float64)
        light = crop.astype(np.float64).sum(axis=(0, 1))
        seen = bool((crop.reshape(-1, 3).max(axis=0) > 100).all())
        if not seen:
            return np.zeros((17, 3), np.float32)
        anchors = np.array([[(xs * crop[..., c]).sum(), (ys * crop[..., c]).sum()] for c in range(3)]) / light[:, None]
        return np.column_stack([_BARYCENTRIC @ anchors, np.full(17, 0.9)]).astype(np.float32)

    def _heatmaps(self, keypoints: NDArray[np.float32]) -> FloatArray:
        """A single lit cell for each joint."""
        maps = np.zeros((len(keypoints), 17, *self._spec.heatmap_hw), np.float32)
        to_cells = invert(input_from_cells(self._spec.input_hw, self._spec.heatmap_hw, self._spec.mapping))
        cells = np.rint(apply(to_cells, keypoints[..., :2])).astype(int)
        for n, k in np.ndindex(cells.shape[:2]):
            x, y = cells[n, k]
            if 0 <= x < maps.shape[3] and 0 <= y < maps.shape[2]:
                maps[n, k, y, x] = keypoints[n, k, 2]
        return maps


class Loader:
    """Makes a MarkerEngine for any folder; remembers those it made. A name in *errors* cannot be loaded.

    A name in *gates*, or that of the device, is loaded only once its event is set. The devices "gpu" and "tensorrt" run on
    a "Fake GPU", every other one on the CPU; where there is a *build* its engines are built first, until that event is set, with
    progress, which may cancel.
    A name in *fails_after*, or that of the device, gives the frames that an engine can do.
    """

    GPUS = ("gpu", "tensorrt")

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.engines: list[MarkerEngine] = []
        self.errors: dict[str, Exception] = {}
        self.gates: dict[str, threading.Event] = {}
        self.fails_after: dict[str, int] = {}
        self.build: threading.Event | None = None
        self.build_error: Exception | None = None
        self.precisions: list[str] = []

    def __call__(self, folder: Path, device: str, *, precision: str = "auto", progress: Progress | None = None) -> MarkerEngine:
        gate = self.gates.get(folder.name, self.gates.get(device))
        if gate is not None:
            assert gate.wait(30)
        if folder.name in self.errors:
            raise self.errors[folder.name]
        self.precisions.append(precision)
        if self.builds_first(folder, device, precision):
            assert progress is not None
            self._build(folder.name, progress)
        fails_after = self.fails_after.get(folder.name, self.fails_after.get(device))
        on = "Fake GPU" if device in self.GPUS else "CPU"
        engine = MarkerEngine(replace(SPEC, name=folder.name), self.delay_s, fails_after, device=on)
        self.engines.append(engine)
        return engine

    def builds_first(self, folder: Path, device: str, precision: str) -> bool:
        return device in self.GPUS and self.build is not None and not self.build.is_set()

    def _build(self, name: str, progress: Progress) -> None:
        assert self.build is not None
        for step in range(3000):
            if not progress(f"Building {name}", min(step, 9) / 10):
                raise EngineError(f"{name}: the build was cancelled.")
            if self.build.wait(0.01):
                break
        if self.build_error is not None:
            raise self.build_error

    def named(self, name: str) -> MarkerEngine:
        return next(engine for engine in self.engines if engine.spec.name == name)


class FlakyCamera:
    """A camera that gives what its script says: each entry is one connection.

    ``None`` = it cannot be opened; a number = it can, and is lost after so many pictures; beyond the script's end it works
    for ever at *fps*.
    """

    live = True
    name = "flaky camera"

    def __init__(self, script: list[int | None], fps: float = 200.0) -> None:
        self.requested: Mode | None = Mode(640, 360, fps, "MJPG")
        self._script, self._fps = list(script), fps
        self._left: int | None = None
        self._figure = MarkerSource()
        forth = [self._figure.picture(t / 30) for t in range(10)]
        self._images = [*forth, *forth[-2:0:-1]]  # to and fro: nobody jumps
        self._count = 0
        self.opens: list[float] = []
        self.opened = self.closes = 0

    def mend(self) -> None:
        """The rest of the script is void: from the next connection on it works for ever."""
        self._script = []

    def open(self) -> Mode:
        self.opens.append(time.monotonic())
        self._left = None
        script = self._script
        if script:
            self._left = script.pop(0)
            if self._left is None:
                raise SourceError(f"{self.name}: cannot be opened. Plug it in.")
        self.opened += 1
        return Mode(640, 360, self._fps, "YUYV")

    def read(self) -> tuple[ImageArray, float] | None:
        if self._left is not None:
            if self._left == 0:
                raise SourceError(f"{self.name}: gives no pictures any more. Check its plug.")
            self._left -= 1
        time.sleep(1 / self._fps)
        self._count += 1
        return self._images[self._count % len(self._images)], time.monotonic()

    def close(self) -> None:
        self.closes += 1


class HungCamera:
    """Gives two pictures and then hangs in read. With *unblocks*, close from another thread ends that."""

    live = True
    name = "hung camera"

    def __init__(self, unblocks: bool) -> None:
        self.requested: Mode | None = None
        self._unblocks = unblocks
        self._count = 0
        self.hanging = threading.Event()
        self.let_go = threading.Event()

    def open(self) -> Mode:
        return Mode(640, 360, 30)

    def read(self) -> tuple[ImageArray, float] | None:
        self._count += 1
        if self._count > 2:
            self.hanging.set()
            self.let_go.wait(60)
            raise SourceError(f"{self.name}: was closed.")
        return MarkerSource().picture(0.0), time.monotonic()

    def close(self) -> None:
        if self._unblocks:
            self.let_go.set()


class BusyCamera:
    """A camera that another program uses until ``free`` is set."""

    name, live, requested = "Desk camera", True, Mode(1280, 720, 30.0, "MJPG")

    def __init__(self, free: bool = False) -> None:
        self.free = free
        self._figure = SyntheticSource((480, 640))

    def open(self) -> Mode:
        if not self.free:
            raise SourceError("Desk camera: cannot be opened. Close the other program that uses it.")
        return self._figure.open()

    def read(self) -> tuple[ImageArray, float] | None:
        time.sleep(1 / 60)
        item = self._figure.read()
        assert item is not None
        return item[0], time.monotonic()

    def close(self) -> None:
        pass
