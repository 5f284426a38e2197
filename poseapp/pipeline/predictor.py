"""From regions of a frame to poses: crop, network, and back to px of the frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from poseapp.core import transform
from poseapp.core.heatmap import input_from_cells
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, Heatmaps, ImageArray
from poseapp.engine.base import Engine


class StageTimer:
    """Adds up the ms of the stages of one frame."""

    def __init__(self, wait_ms: float) -> None:
        self.ms = {"wait": wait_ms}
        self._since = time.perf_counter()

    def mark(self, stage: str) -> float:
        """The time since the last call belongs to *stage*; returns it."""
        now = time.perf_counter()
        took, self._since = (now - self._since) * 1e3, now
        self.ms[stage] = self.ms.get(stage, 0.0) + took
        return took

    def times(self) -> MappingProxyType[str, float]:
        """All stages so far."""
        return MappingProxyType(self.ms)


@dataclass(frozen=True, eq=False)
class CropPoses:
    """The poses that the network finds in N regions: ``xy`` (N, K, 2) frame px, ``score`` (N, K), and the heatmaps asked for.

    With the heatmaps, a one-stage network gives ``people``: for each region the joints (M, K, 3) of everybody in it, x, y in
    frame px and score, of whom those with scores of 0 are nobody.
    """

    xy: FloatArray
    score: FloatArray
    heatmaps: tuple[Heatmaps, ...]
    people: tuple[FloatArray, ...] = ()


class Predictor(Protocol):
    """What an estimator looks at a frame with: CropPredictor, or for bottom-up WholePredictor.

    It holds no state between calls. So somebody else may put one in an estimator's place that remembers what was found.
    """

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        ...

    def predict(self, image: ImageArray, boxes: Sequence[NDArray[np.floating]], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """The people in each of *boxes* (4,), at least one, in px of *image*; see CropPredictor.predict."""
        ...


class CropPredictor:
    """Runs a pose network on regions of a frame.

    Lives on the engine's thread. It holds no state between calls, so regions may come from any frame, in any order.
    """

    def __init__(self, engine: Engine) -> None:
        self.spec = engine.spec
        self._engine = engine
        self._input_from_cell = input_from_cells(self.spec.input_hw, self.spec.heatmap_hw, self.spec.mapping)

    def predict(self, image: ImageArray, boxes: Sequence[NDArray[np.floating]], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """The pose of one person in each of *boxes*, N × (4,) x, y, width, height in px of *image* (H, W, 3) uint8 BGR.

        All boxes, at least one, go through the network as one batch. *timer* gets the stages "crop" and "inference".
        """
        affines = [transform.crop_affine(box, self.spec.input_hw) for box in boxes]
        crops = [transform.crop(image, affine, self.spec.input_hw, self.spec.border) for affine in affines]
        batch = crops[0][None] if len(crops) == 1 else np.stack(crops)
        timer.mark("crop")
        output = self._engine.infer(batch, heatmaps)
        timer.mark("inference")
        back = [transform.invert(affine) for affine in affines]
        places = zip(back, output.keypoints.tolist(), strict=True)
        xy = np.array([transform.apply_plainly(affine, joints) for affine, joints in places], np.float32)
        maps: list[Heatmaps] = []
        if heatmaps and output.heatmaps is not None:
            for n, affine in enumerate(back):
                # Copies: the engine may reuse its buffers while the window still draws.
                fields = output.fields[n].copy() if output.fields is not None else None
                to_frame = transform.compose(affine, self._input_from_cell)
                maps.append(Heatmaps(output.heatmaps[n].copy(), to_frame, fields))
        people = []
        if output.people is not None:
            for affine, joints in zip(back, output.people, strict=True):
                people.append(np.concatenate([transform.apply(affine, joints[..., :2]), joints[..., 2:]], axis=2))
        return CropPoses(xy, output.keypoints[..., 2].copy(), tuple(maps), tuple(people))


def unknown_ids(n: int) -> NDArray[np.int64]:
    """Identities (n,) of people whom no tracker has seen yet."""
    return np.array([-1] * n, np.int64)
