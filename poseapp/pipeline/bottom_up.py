"""Several people, bottom-up: the network finds the joints of everybody at once, and then they are joined to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from poseapp.core import paf
from poseapp.core.errors import ModelError
from poseapp.core.nms import pose_nms
from poseapp.core.roi import is_person
from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.transform import apply, whole_box
from poseapp.core.types import Frame, ImageArray, PoseMode, Poses, Result
from poseapp.engine.base import Engine
from poseapp.pipeline.estimator import Estimator, Point, locked_after
from poseapp.pipeline.predictor import CropPoses, CropPredictor, Predictor, StageTimer, unknown_ids


class WholePredictor:
    """Finds everybody in a region with one pass of a network that gives part affinity fields, or whole people."""

    def __init__(self, engine: Engine) -> None:
        self._crops = CropPredictor(engine)
        self.spec = engine.spec

    def predict(self, image: ImageArray, boxes: Sequence[NDArray[np.floating]], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """The N people in the one box of *boxes*; see Predictor. A one-stage network may find a person twice."""
        seen = self._crops.predict(image, boxes, True, timer)
        kept = seen.heatmaps if heatmaps else ()
        if self.spec.one_stage:
            (people,) = seen.people
            known = [is_person(joints[:, 2], known=True) for joints in people]  # the network has told people from no people
            return CropPoses(people[known, :, :2], np.ascontiguousarray(people[known, :, 2]), kept)
        (maps,) = seen.heatmaps
        assert maps.fields is not None, "asked for when the model was loaded"
        joints, _ = paf.decode(maps.values, maps.fields, self.spec.skeleton)
        return CropPoses(apply(maps.to_frame, joints[..., :2]), np.ascontiguousarray(joints[..., 2]), kept)


class BottomUp:
    """The Estimator of the mode "bottom-up": one pass over the whole frame, however many people there are.

    Joints are found in the heatmaps and joined to people along the part affinity fields (Cao et al. 2017, Sec. 2.3 to 2.5). A
    one-stage network (Lu et al., RTMO, CVPR 2024) gives whole people; those whom it finds twice are left out here.
    """

    mode: PoseMode = "bottom-up"

    def __init__(self, engine: Engine) -> None:
        self.predictor: Predictor = WholePredictor(engine)
        self.tracker = Tracker(self.spec.skeleton)
        self.locked: int | None = None
        output = engine.infer(np.zeros((1, *self.spec.input_hw, 3), np.uint8), heatmaps=True)
        if output.fields is None and output.people is None:
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
        poses = self.tracker.update(self._everybody(seen), frame.t)
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

    def _everybody(self, seen: CropPoses) -> Poses:
        """The people of *seen*, none of them twice."""
        poses = Poses(
            xy=seen.xy,
            score=seen.score,
            person_score=seen.score.mean(axis=1).astype(np.float32),
            ids=unknown_ids(len(seen.xy)),
            skeleton=self.spec.skeleton,
        )
        return pose_nms(poses) if self.spec.one_stage else poses

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
