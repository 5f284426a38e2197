"""People painted so that stand-ins for networks can find them, each by what it sees: for tests of several people.

Of each figure three joints are painted as discs (``fakes.ANCHORS``), whose colour says whose joint it is; discs cover each
other in the order of the figures, and walls cover all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from fakes import _BARYCENTRIC, ANCHORS, FIGURE, SPEC

from poseapp.core import heatmap, paf
from poseapp.core.errors import EngineError
from poseapp.core.heatmap import input_from_cells
from poseapp.core.skeleton import COCO_17, OPENPOSE_18, Skeleton
from poseapp.core.spec import ModelSpec
from poseapp.core.transform import apply, invert
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, Output, Progress, check_crops
from poseapp.live.sources import Mode

SEEN = 0.9  # the score of a joint that is seen
BOTTOM_UP = replace(SPEC, name="openpose-s", family="openpose", skeleton=OPENPOSE_18, input_hw=(384, 640), stride=4, sigma_px=1.5)
TOP_DOWN = replace(SPEC, name="hourglass-s")
_IN_COCO = [COCO_17.keypoints.index(name) if name != "neck" else -1 for name in OPENPOSE_18.keypoints]
_ANCHOR_CODES = (80, 160, 240)


@dataclass(frozen=True)
class Figure:
    """Somebody who is at ``place(t)``: x, y of the middle and the height, px; None while away."""

    place: Callable[[float], tuple[float, float, float] | None]

    def joints(self, t: float) -> FloatArray | None:
        """The joints (17, 2) at *t* s, frame px."""
        where = self.place(t)
        if where is None:
            return None
        x, y, height = where
        joints: FloatArray = (np.array([x, y]) + FIGURE * height).astype(np.float32)
        return joints


def in_skeleton(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """COCO's *joints* (17, 2) as those of *skeleton*, COCO's own or the one with a neck."""
    if skeleton is COCO_17:
        return joints
    neck = joints[[COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]].mean(axis=0)
    return np.concatenate([joints, neck[None]])[_IN_COCO]


def standing(x: float, y: float, height: float = 220.0) -> Figure:
    """Somebody who stays."""
    return Figure(lambda _t: (x, y, height))


def walking(x: float, y: float, speed: float, height: float = 220.0) -> Figure:
    """Somebody who walks at *speed* px/s."""
    return Figure(lambda t: (x + speed * t, y, height))


def crowd(n: int, hw: tuple[int, int] = (720, 1280)) -> list[Figure]:
    """*n* people who stand in rows, none before another."""
    columns = int(np.ceil(np.sqrt(n * hw[1] / hw[0] * 1.6)))
    rows = int(np.ceil(n / columns))
    w, h = hw[1] / columns, hw[0] / rows
    return [standing((i % columns + 0.5) * w, (i // columns + 0.37) * h, min(220.0, 0.85 * h)) for i in range(n)]


class PaintedSource:
    """A clip of *figures*, *seconds* long (None: without an end); *walls* are boxes x, y, w, h that hide what is behind."""

    live = False
    name = "painted people"

    def __init__(
        self,
        figures: Sequence[Figure],
        seconds: float | None = None,
        fps: float = 30.0,
        walls: Sequence[tuple[int, int, int, int]] = (),
        hw: tuple[int, int] = (720, 1280),
    ) -> None:
        self.figures, self.fps, self.walls, self.hw = list(figures), fps, list(walls), hw
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

    def truth(self, t: float) -> dict[int, FloatArray]:
        """The joints (17, 2) of everybody who is there, by figure."""
        places = {i: figure.joints(t) for i, figure in enumerate(self.figures)}
        return {i: joints for i, joints in places.items() if joints is not None}

    def picture(self, t: float) -> ImageArray:
        image = np.zeros((*self.hw, 3), np.uint8)
        for i, joints in self.truth(t).items():
            radius = round(float(np.ptp(joints[:, 1])) / 18)
            for code, k in zip(_ANCHOR_CODES, ANCHORS, strict=True):
                centre = np.rint(joints[k] * 16).astype(int).tolist()
                cv2.circle(image, centre, radius * 16, (code, 10 + 8 * i, 255), -1, cv2.LINE_8, 4)
        for x, y, w, h in self.walls:
            image[y : y + h, x : x + w] = (60, 60, 60)
        return image


def figures_in(image: ImageArray) -> list[FloatArray]:
    """The joints (17, 2) of every figure in *image* of which all three discs are seen, px of *image*."""
    ys, xs = np.nonzero(image[..., 2] > 250)
    codes = image[ys, xs].astype(int)
    who = np.rint((codes[:, 1] - 10) / 8).astype(int)
    found = []
    for i in np.unique(who):
        anchors = []
        for code in _ANCHOR_CODES:
            mine = (np.abs(codes[:, 0] - code) <= 8) & (np.abs(codes[:, 1] - 10 - 8 * i) <= 1)
            if mine.sum() >= 3:
                anchors.append([xs[mine].mean(), ys[mine].mean()])
        if len(anchors) == 3:
            found.append((_BARYCENTRIC @ np.array(anchors)).astype(np.float32))
    return found


class PaintedDetector:
    """Sees everybody in a picture; counts how often it was asked."""

    def __init__(self) -> None:
        self.requested = 0
        self.closed = False

    def find(self, image: ImageArray, limit: int = 30) -> tuple[FloatArray, FloatArray]:
        assert not self.closed
        self.requested += 1
        people = figures_in(image)[:limit]
        boxes = [np.concatenate([joints.min(axis=0), np.ptp(joints, axis=0)]) for joints in people]
        return np.asarray(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), SEEN, np.float32)

    def close(self) -> None:
        self.closed = True


class PaintedEngine:
    """A pose network: the figure nearest to the middle of each crop, and for the openpose family maps of all of them.

    *delay_s* is what each crop takes.
    """

    def __init__(self, spec: ModelSpec = TOP_DOWN, delay_s: float = 0.0, fields: bool = True) -> None:
        self._spec, self.delay_s, self._fields = spec, delay_s, fields
        self.batches: list[int] = []
        self.closed = False
        self.threads: set[int] = {threading.get_ident()}

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def backend(self) -> Backend:
        return Backend("Fake 1", "CPU", "FP32")

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        check_crops(crops, self._spec)
        self.threads.add(threading.get_ident())
        if self.closed:
            raise EngineError(f"{self._spec.name}: the engine is closed.")
        self.batches.append(len(crops))
        time.sleep(self.delay_s * len(crops))
        people = [figures_in(crop) for crop in crops]
        keypoints = np.stack([self._middle_one(found) for found in people])
        if not heatmaps:
            return Output(keypoints)
        maps = [self._maps(found) for found in people]
        confidence = np.stack([m[0] for m in maps])
        return Output(keypoints, confidence, np.stack([m[1] for m in maps]) if self._fields else None)

    def close(self) -> None:
        self.closed = True

    def _middle_one(self, found: list[FloatArray]) -> FloatArray:
        k = self._spec.skeleton.k
        if not found:
            return np.zeros((k, 3), np.float32)
        middle = np.array(self._spec.input_hw[::-1]) / 2
        nearest = min(found, key=lambda joints: float(np.linalg.norm(joints.mean(axis=0) - middle)))
        return np.column_stack([in_skeleton(nearest, self._spec.skeleton), np.full(k, SEEN)]).astype(np.float32)

    def _maps(self, found: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        hw, skeleton = self._spec.heatmap_hw, self._spec.skeleton
        to_cells = invert(input_from_cells(self._spec.input_hw, hw, self._spec.mapping))
        cells = [apply(to_cells, in_skeleton(joints, skeleton)) for joints in found]
        people = np.stack(cells).astype(np.float32) if cells else np.empty((0, skeleton.k, 2), np.float32)
        confidence = np.zeros((skeleton.k, *hw), np.float32)
        for joints in people:
            confidence = np.maximum(confidence, SEEN * heatmap.encode(joints, hw, self._spec.sigma_px))
        return confidence, paf.encode(people, skeleton.limbs, hw)


class PaintedStore:
    """A model store of painted people's networks: ``load`` and ``open_detector`` for a Session, remembering what they made."""

    def __init__(
        self, folder: Path, specs: Sequence[ModelSpec] = (TOP_DOWN, BOTTOM_UP), detector: bool = True, delay_s: float = 0.0
    ) -> None:
        self.folder, self.delay_s, self._detector = folder, delay_s, detector
        self.engines: list[PaintedEngine] = []
        self.detectors: list[PaintedDetector] = []
        for spec in specs:
            (folder / spec.name).mkdir()
            (folder / spec.name / "model.json").write_text(spec.to_json(), encoding="utf-8")

    def __call__(self, folder: Path, device: str, *, precision: str = "auto", progress: Progress | None = None) -> PaintedEngine:
        engine = PaintedEngine(ModelSpec.read(folder / "model.json"), self.delay_s)
        self.engines.append(engine)
        return engine

    def open_detector(self, engines_dir: Path) -> PaintedDetector | None:
        assert engines_dir == self.folder
        if self._detector:
            self.detectors.append(PaintedDetector())
        return self.detectors[-1] if self._detector else None
