"""The joints of one person in a picture: as the pipeline finds them, or averaged over mirrored and scaled crops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core import heatmap, multiscale
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Engine
from poseapp.pipeline.predictor import CropPredictor, StageTimer
from poseapp.train.data.annotations import read_image


class PersonPredictor:
    """Finds the joints of one person at a time, and keeps the times.

    *flip* averages the heatmaps with those of the mirrored crop, *scales* with those of larger and smaller crops.
    """

    def __init__(self, engine: Engine, flip: bool = False, scales: Sequence[float] = ()) -> None:
        self.spec = engine.spec
        self._engine, self._flip, self._scales = engine, flip, scales
        self._predictor = CropPredictor(engine)
        if flip or scales:
            _ = self.spec.heatmap_decode  # raises where there is nothing to average
        self._image: tuple[Path, ImageArray] | None = None  # people of one picture follow each other
        self._ms: list[float] = []  # a person
        self._in_engine_ms = 0.0  # for the person at hand, over all averaged crops

    @property
    def median_ms(self) -> float:
        """Median time in the engine for one person, in ms; NaN before the first."""
        return float(np.median(self._ms)) if self._ms else float("nan")

    def __call__(self, path: Path, box: NDArray[np.floating]) -> FloatArray:
        """Joints (K, 3), x, y in px of the picture and score, of the person in *box*, which is not padded."""
        image = self._read(path)
        if self._flip or self._scales:
            return self._averaged(image, box)
        timer = StageTimer(0.0)
        found = self._predictor.predict(image, [box], False, timer)
        self._ms.append(timer.ms["inference"])
        return np.column_stack([found.xy[0], found.score[0]])

    def _read(self, path: Path) -> ImageArray:
        if self._image is None or self._image[0] != path:
            self._image = path, read_image(path)
        return self._image[1]

    def _averaged(self, image: ImageArray, box: NDArray[np.floating]) -> FloatArray:
        spec = self.spec
        self._in_engine_ms = 0.0
        mean, to_frame = multiscale.average_beliefs(
            self._heatmaps, image, box, spec.input_hw, spec.heatmap_hw, spec.mapping, self._scales or (1.0,)
        )
        joints = multiscale.joints_of(mean, to_frame, spec.heatmap_decode, spec.sigma_px)
        self._ms.append(self._in_engine_ms)
        return joints

    def _heatmaps(self, crops: ImageArray) -> FloatArray:
        """Heatmaps (1, K, h, w) of one crop (1, H, W, 3); with flip, their mean with those of its mirror image."""
        batch = np.concatenate([crops, crops[:, :, ::-1]]) if self._flip else crops
        start = time.perf_counter()
        maps = self._engine.infer(batch, True).heatmaps
        self._in_engine_ms += (time.perf_counter() - start) * 1e3
        assert maps is not None
        if self._flip:
            return heatmap.with_mirrored(maps[:1], maps[1:], self.spec.skeleton.flip_index, self.spec.mapping)
        return maps
