"""Several people, bottom-up: the network finds the joints of everybody at once, and then they are joined to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from poseapp.core import paf
from poseapp.core.errors import ModelError
from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.transform import apply, whole_box
from poseapp.core.types import Frame, ImageArray, PoseMode, Poses, Result
from poseapp.engine.base import Engine
from poseapp.pipeline.estimator import Estimator, Point, locked_after
from poseapp.pipeline.predictor import CropPoses, CropPredictor, Predictor, StageTimer, unknown_ids


class WholePredictor:
    """Finds everybody in a region with one pass of a network that has part affinity fields."""

    def __init__(self, engine: Engine) -> None:
        self._crops = CropPredictor(engine)
        self.spec = engine.spec

    def predict(self, image: ImageArray, boxes: Sequence[NDArray[np.floating]], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """The N people in the one box of *boxes*, best first; see Predictor."""
        seen = self._crops.predict(image, boxes, True, timer)
        (maps,) = seen.heatmaps
        assert maps.fields is not None, "asked for when the model was loaded"
        joints, _ = paf.decode(maps.values, maps.fields, self.spec.skeleton)
        xy, score = apply(maps.to_frame, joints[..., :2]), np.ascontiguousarray(joints[..., 2])
        return CropPoses(xy, score, seen.heatmaps if heatmaps else ())


class BottomUp:
    """The Estimator of the mode "bottom-up": one pass over the whole frame, however many people there are.

    Joints are found in the heatmaps and joined to people along the part affinity fields (Cao et al. 2017, Sec. 2.3 to 2.5).
    """

    mode: PoseMode = "bottom-up"

    def __init__(self, engine: Engine) -> None:
        self.predictor: Predictor = WholePredictor(engine)
        self.tracker = Tracker(self.spec.skeleton)
        self.locked: int | None = None
        output = engine.infer(np.zeros((1, *self.spec.input_hw, 3), np.uint8), heatmaps=True)
        if output.fields is None:
            raise ModelError(
                f"{self.spec.name}: its graph gives no part affinity fields, which bottom-up needs. "
                "Export it again with this version, or choose the mode top-down."
            )

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.predictor.spec

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """Everybody in the frame, best first; see Estimator."""
        timer = StageTimer(wait_ms)
        box = whole_box(frame.hw)
        seen = self.predictor.predict(frame.image, [box], heatmaps, timer)
        person, ids = seen.score.mean(axis=1).astype(np.float32), unknown_ids(len(seen.xy))
        poses = self.tracker.update(
            Poses(xy=seen.xy, score=seen.score, person_score=person, ids=ids, skeleton=self.spec.skeleton), frame.t
        )
        timer.mark("decode")
        return Result(
            frame=frame,
            poses=poses,
            stage_ms=timer.times(),
            boxes=box[None],
            heatmaps=seen.heatmaps,
            model=self.spec.name,
            mode=self.mode,
            locked=self.locked,
        )

    def reset(self) -> None:
        """See Estimator."""
        self.tracker.reset()
        self.locked = None

    def lock(self, xy: Point | None) -> None:
        """See Estimator."""
        self.locked = locked_after(self.tracker, self.locked, xy)

    def take_over_state(self, other: Estimator) -> None:
        """See Estimator."""
        self.tracker.take_over_state(other.tracker)
        self.locked = other.locked

    def rewind(self) -> None:
        """See Estimator."""
        self.tracker.rewind()

    def renumber(self) -> Mapping[int, int]:
        """See Estimator."""
        given = self.tracker.renumber()
        self.locked = given.get(self.locked or 0)
        return given
