"""From a frame to the poses in it: crop, network, back to frame coordinates, next crop."""

from __future__ import annotations

import time
from types import MappingProxyType

import numpy as np

from poseapp.core import transform
from poseapp.core.heatmap import input_from_cells
from poseapp.core.roi import Follower, search_boxes
from poseapp.core.types import FloatArray, Frame, Heatmaps, Poses, Result
from poseapp.engine.base import Engine


class Estimator:
    """Finds one person in each frame and follows them. Lives on the engine's thread.

    While nobody is followed each frame is searched in one region, as fast as a camera gives frames; *thorough*
    searches all regions of a frame, for when there is time and a picture may be the only one.
    """

    def __init__(self, engine: Engine, thorough: bool = False) -> None:
        self._engine, self._thorough = engine, thorough
        self._spec = engine.spec
        self.follower = Follower(engine.spec.skeleton, engine.spec.input_hw)
        self._input_from_cell = input_from_cells(self._spec.input_hw, self._spec.heatmap_hw, self._spec.mapping)

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """The poses in *frame*, with each stage's time in ms; *wait_ms* is how long the frame has waited."""
        tries = 1
        if self._thorough and not self.follower.following:
            tries = len(search_boxes(frame.hw, self._spec.input_hw))
        result = self._look(frame, heatmaps, wait_ms)
        while not len(result.poses) and (tries := tries - 1):
            before = sum(result.stage_ms.values())
            result = self._look(frame, heatmaps, before)
        return result

    def _look(self, frame: Frame, heatmaps: bool, wait_ms: float) -> Result:
        started = time.perf_counter()
        box = self.follower.box(frame.hw)
        affine = transform.crop_affine(box, self._spec.input_hw)
        crop = transform.crop(frame.image, affine, self._spec.input_hw)
        cropped = time.perf_counter()
        output = self._engine.infer(crop[None], heatmaps)
        inferred = time.perf_counter()
        to_frame = transform.invert(affine)
        keypoints = output.keypoints[0]
        xy = transform.apply(to_frame, keypoints[:, :2]).astype(np.float32)
        score = keypoints[:, 2].copy()
        found = self.follower.update(xy, score, frame.hw)
        poses = self._poses(xy, score) if found else Poses.none(self._spec.skeleton)
        maps: tuple[Heatmaps, ...] = ()
        if output.heatmaps is not None:
            # A copy: the engine may reuse its buffers while the window still draws.
            maps = (Heatmaps(output.heatmaps[0].copy(), transform.compose(to_frame, self._input_from_cell)),)
        decoded = time.perf_counter()
        stage_ms = {
            "wait": wait_ms,
            "crop": (cropped - started) * 1e3,
            "inference": (inferred - cropped) * 1e3,
            "decode": (decoded - inferred) * 1e3,
        }
        return Result(frame, poses, MappingProxyType(stage_ms), box[None].astype(np.float32), maps, self._spec.name)

    def _poses(self, xy: FloatArray, score: FloatArray) -> Poses:
        person = np.array([score.mean()], np.float32)
        ids = np.array([self.follower.identity], np.int64)
        return Poses(xy[None], score[None], person, ids, self._spec.skeleton)
