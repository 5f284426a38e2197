"""One person: found by a detector or a search, then followed from crop to crop."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from poseapp.core.geometry import box_around
from poseapp.core.roi import ROI, Box, RoiTracker, detected_region, is_person, next_region, scale_box, search_boxes
from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.types import Frame, PoseMode, Poses, Result
from poseapp.engine.base import Engine
from poseapp.pipeline.estimator import Estimator, PersonFinder, Point, locked_after
from poseapp.pipeline.predictor import CropPoses, CropPredictor, Predictor, StageTimer, unknown_ids

PLACE_GROWTH = 1.4  # how much larger than where a locked person was last is the place that is watched for them


class OnePerson:
    """The Estimator of the mode "one": it finds one person and follows them.

    The *detector*, if there is one, finds the person to follow. Without a detector, and when the detector sees nobody, the frame
    is searched: one region in each frame, to keep up with a camera. *thorough* tries all regions of a frame, for sources that
    wait, where a picture may be the only one. *on_a_grid* is that of RoiTracker.
    """

    mode: PoseMode = "one"

    def __init__(
        self, engine: Engine, detector: PersonFinder | None = None, thorough: bool = False, on_a_grid: bool = False
    ) -> None:
        self.predictor: Predictor = CropPredictor(engine)
        self._detector, self._thorough = detector, thorough
        self._roi = RoiTracker(self.spec.skeleton, self.spec.input_hw, on_a_grid=on_a_grid)
        self.tracker = Tracker(self.spec.skeleton, alone=True)
        self.locked: int | None = None
        self._clicked: Point | None = None  # somebody else than the one followed
        self._previous_poses: Poses | None = None  # who was there before a change of mode
        self._place: Box | None = None  # where the person was last

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.predictor.spec

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """At most one person; see Estimator."""
        timer = StageTimer(wait_ms)
        clicked, self._clicked = self._clicked, None
        hit = self._box_of_clicked(frame, clicked, timer) if clicked is not None else None
        for box in self._boxes(frame, timer) if hit is None else [hit]:
            seen = self.predictor.predict(frame.image, [box], heatmaps, timer)
            found = self._roi.update(seen.xy[0], seen.score[0], frame.hw)
            if found:
                break
        poses = self.tracker.update(self._poses(seen) if found else Poses.none(self.spec.skeleton), frame.t)
        if found:
            self._place = self._roi.box(frame.hw)
            if self.locked is not None:
                self.locked = int(poses.ids[0])  # who comes back to the place of a locked person is that person
        timer.mark("decode")
        return Result(
            frame=frame,
            poses=poses,
            stage_ms=timer.times(),
            boxes=box[None].astype(np.float32),
            heatmaps=seen.heatmaps,
            model=self.spec.name,
            locked=self.locked,
        )

    def reset(self) -> None:
        """See Estimator."""
        self._roi.reset()
        self.tracker.reset()
        self.locked = self._clicked = self._previous_poses = self._place = None

    def lock(self, xy: Point | None) -> None:
        """See Estimator. When *xy* is on nobody who is known, the next frame is searched there."""
        self.locked = locked_after(self.tracker, self.locked, xy)
        self._clicked = xy if xy is not None and self.tracker.lock(xy) is None else None

    def take_over_state(self, other: Estimator) -> None:
        """See Estimator. Of several people this one follows the locked one, else the surest."""
        self.tracker.take_over_state(other.tracker)
        self.locked = other.locked
        if isinstance(other, OnePerson):
            self._roi.take_over_state(other._roi)
            self._clicked, self._place = other._clicked, other._place
        else:
            self._previous_poses = other.tracker.seen_last

    def rewind(self) -> None:
        """See Estimator."""
        self._roi.reset()
        self.tracker.rewind()
        self._clicked = self._previous_poses = self._place = None  # a locked person is not where the clip has ended

    def renumber(self) -> Mapping[int, int]:
        """See Estimator."""
        given = self.tracker.renumber()
        self.locked = given.get(self.locked or 0)
        return given

    def _boxes(self, frame: Frame, timer: StageTimer) -> list[Box]:
        """The regions to try in this frame, in turn until somebody is found; at least one."""
        previous_poses, self._previous_poses = self._previous_poses, None
        if self._roi.following:
            return [self._roi.box(frame.hw)]
        if previous_poses is not None and len(previous_poses):
            first = np.lexsort((previous_poses.person_score, previous_poses.ids == self.locked))[-1]
            xy, score = previous_poses.xy[first], previous_poses.score[first]
            if is_person(score, known=True):
                return [next_region(previous_poses.skeleton, xy, score, frame.hw, self.spec.input_hw)]
        if self.locked is not None and self._place is not None:
            return [scale_box(self._place.astype(np.float64), PLACE_GROWTH).astype(np.float32)]
        detected = self._detected(frame, timer)
        if self._thorough or frame.is_still:
            return [*detected, *search_boxes(frame.hw, self.spec.input_hw)]
        return [self._roi.box(frame.hw, detected)]

    def _detected(self, frame: Frame, timer: StageTimer) -> list[Box]:
        """Regions of the surest people that the detector sees."""
        if self._detector is None:
            return []
        boxes, _ = self._detector.find(frame.image, limit=3)
        timer.mark("detect")
        return [detected_region(box, self.spec.input_hw) for box in boxes]

    def _box_of_clicked(self, frame: Frame, xy: Point, timer: StageTimer) -> Box | None:
        """The region of the person at *xy*, who is followed and locked from now on; None where nobody is."""
        tries = [box for box in self._detected(frame, timer) if _holds(box, xy)]
        height = float(self._place[3]) if self._place is not None else float(frame.hw[0])
        for size in (height, height / 2):
            width = size * self.spec.input_hw[1] / self.spec.input_hw[0]
            tries.append(np.array([xy[0] - width / 2, xy[1] - size / 2, width, size], np.float32))
        for box in tries:
            seen = self.predictor.predict(frame.image, [box], False, timer)
            joints = seen.xy[0][seen.score[0] >= ROI.trusted]
            if is_person(seen.score[0], known=False) and _holds(box_around(joints), xy):
                self._roi.reset()
                self.locked = self.tracker.next_id
                return box
        return None

    def _poses(self, seen: CropPoses) -> Poses:
        person_score = np.array([sum(seen.score[0].tolist()) / self.spec.skeleton.k], np.float32)
        return Poses(xy=seen.xy, score=seen.score, person_score=person_score, ids=unknown_ids(1), skeleton=self.spec.skeleton)


def _holds(box: Box, xy: Point) -> bool:
    x, y, w, h = box.tolist()
    return bool(x <= xy[0] <= x + w and y <= xy[1] <= y + h)
