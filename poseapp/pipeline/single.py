"""From a frame to the people in it: the Estimator protocol, the look through the network, and the way with one person."""

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
from poseapp.core.roi import ROI, Box, RoiTracker, detected_region, is_person, next_region, scale_box, search_boxes
from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.types import FloatArray, Frame, Heatmaps, ImageArray, PoseMode, Poses, Result
from poseapp.engine.base import Engine

Point = tuple[float, float]
PLACE_GROWTH = 1.4  # how much larger than where a locked person was last is the place that is watched for them


class Estimator(Protocol):
    """Finds the people in frame after frame. Lives on the engine's thread, which alone calls it."""

    @property
    def people(self) -> PoseMode:
        """The way of looking."""
        ...

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        ...

    @property
    def tracker(self) -> Tracker:
        """Who is who."""
        ...

    @property
    def locked(self) -> int | None:
        """The identity that the user holds on to."""
        ...

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """The people in *frame*, with each stage's time in ms; *wait_ms* is how long the frame has waited."""
        ...

    def reset(self) -> None:
        """The picture is another one from now on: nobody is known."""
        ...

    def lock(self, xy: Point | None) -> None:
        """Hold on to the person at *xy*, frame px, or let go: with None, and when it is the one already held."""
        ...

    def take_over_state(self, other: Estimator) -> None:
        """Go on where *other* was, after a change of model or of the way."""
        ...

    def renumber(self) -> None:
        """Count people from 1 again, those who are known first."""
        ...


class PersonFinder(Protocol):
    """What a person detector promises; engine/detector.py has one."""

    def find(self, image: ImageArray, limit: int = 30) -> tuple[FloatArray, FloatArray]:
        """Boxes (M, 4) x, y, width, height in px of *image* (H, W, 3) uint8 BGR, and their scores (M,), best first."""
        ...

    def close(self) -> None:
        """Give back what it holds; safe to call twice."""
        ...


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
    """What the network sees in N regions: ``xy`` (N, K, 2) frame px, ``score`` (N, K), and the heatmaps asked for."""

    xy: FloatArray
    score: FloatArray
    heatmaps: tuple[Heatmaps, ...]


class CropPredictor:
    """Looks at regions of a frame through a pose network."""

    def __init__(self, engine: Engine) -> None:
        self.spec = engine.spec
        self._engine = engine
        self._input_from_cell = input_from_cells(self.spec.input_hw, self.spec.heatmap_hw, self.spec.mapping)

    def predict(self, image: ImageArray, boxes: Sequence[Box], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """One person in each of *boxes*, N × (4,), at least one; all go through the network as one batch."""
        affines = [transform.crop_affine(box, self.spec.input_hw) for box in boxes]
        crops = [transform.crop(image, affine, self.spec.input_hw) for affine in affines]
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
        return CropPoses(xy, output.keypoints[..., 2].copy(), tuple(maps))


def unknown_ids(n: int) -> NDArray[np.int64]:
    """Identities (n,) of people whom no tracker has seen yet."""
    return np.array([-1] * n, np.int64)


def locked_after(tracker: Tracker, locked: int | None, xy: Point | None) -> int | None:
    """Who is *locked* after a click at *xy*: a click beside everybody changes nothing, one on the locked person lets go."""
    if xy is None:
        return None
    hit = tracker.lock(xy)
    if hit is None:
        return locked
    return None if hit == locked else hit


class OnePerson:
    """Finds one person and follows them.

    Whom to follow a *detector* says, where there is one. Without one, and where it sees nobody, the frame is
    searched: one region a frame, as fast as a camera gives frames. *thorough* looks at all regions of a frame, for when
    there is time and a picture may be the only one.
    """

    people: PoseMode = "one"

    def __init__(self, engine: Engine, detector: PersonFinder | None = None, thorough: bool = False) -> None:
        self._predictor, self._detector, self._thorough = CropPredictor(engine), detector, thorough
        self._follower = RoiTracker(self.spec.skeleton, self.spec.input_hw)
        self.tracker = Tracker(self.spec.skeleton, alone=True)
        self.locked: int | None = None
        self._clicked: Point | None = None  # somebody else than the one followed
        self._previous_poses: Poses | None = None  # who was there before a change of the way
        self._place: Box | None = None  # where the person was last

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._predictor.spec

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """At most one person; see Estimator."""
        timer = StageTimer(wait_ms)
        clicked, self._clicked = self._clicked, None
        hit = self._box_of_clicked(frame, clicked, timer) if clicked is not None else None
        for box in self._boxes(frame, timer) if hit is None else [hit]:
            seen = self._predictor.predict(frame.image, [box], heatmaps, timer)
            found = self._follower.update(seen.xy[0], seen.score[0], frame.hw)
            if found:
                break
        poses = self.tracker.update(self._poses(seen) if found else Poses.none(self.spec.skeleton), frame.t)
        if found:
            self._place = self._follower.box(frame.hw)
            if self.locked is not None:
                self.locked = int(poses.ids[0])  # who comes back to the place of a locked person is that person
        timer.mark("decode")
        return Result(
            frame, poses, timer.times(), box[None].astype(np.float32), seen.heatmaps, self.spec.name, locked=self.locked
        )

    def reset(self) -> None:
        """See Estimator."""
        self._follower.reset()
        self.tracker.reset()
        self.locked = self._clicked = self._previous_poses = self._place = None

    def lock(self, xy: Point | None) -> None:
        """See Estimator; somebody else than the one followed is looked for at *xy* in the next frame."""
        self.locked = locked_after(self.tracker, self.locked, xy)
        self._clicked = xy if xy is not None and self.tracker.lock(xy) is None else None

    def take_over_state(self, other: Estimator) -> None:
        """See Estimator; of several people the locked one, else the surest."""
        self.tracker.take_over_state(other.tracker)
        self.locked = other.locked
        if isinstance(other, OnePerson):
            self._follower.take_over_state(other._follower)
            self._clicked, self._place = other._clicked, other._place
        else:
            self._previous_poses = other.tracker.seen_last

    def renumber(self) -> None:
        """See Estimator."""
        self.locked = self.tracker.renumber().get(self.locked or 0)

    def _boxes(self, frame: Frame, timer: StageTimer) -> list[Box]:
        """Where to look in this frame, in turn until somebody is found; at least one region."""
        previous_poses, self._previous_poses = self._previous_poses, None
        if self._follower.following:
            return [self._follower.box(frame.hw)]
        if previous_poses is not None and len(previous_poses):
            first = np.lexsort((previous_poses.person_score, previous_poses.ids == self.locked))[-1]
            xy, score = previous_poses.xy[first], previous_poses.score[first]
            if is_person(score, known=True):
                return [next_region(previous_poses.skeleton, xy, score, frame.hw, self.spec.input_hw)]
        if self.locked is not None and self._place is not None:
            return [scale_box(self._place.astype(np.float64), PLACE_GROWTH).astype(np.float32)]
        detected = self._detected(frame, timer)
        if self._thorough:
            return [*detected, *search_boxes(frame.hw, self.spec.input_hw)]
        return [self._follower.box(frame.hw, detected)]

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
            seen = self._predictor.predict(frame.image, [box], False, timer)
            joints = seen.xy[0][seen.score[0] >= ROI.trusted]
            if is_person(seen.score[0], known=False) and _holds(np.concatenate([joints.min(0), np.ptp(joints, 0)]), xy):
                self._follower.reset()
                self.locked = self.tracker.next_id
                return box
        return None

    def _poses(self, seen: CropPoses) -> Poses:
        person_score = np.array([sum(seen.score[0].tolist()) / self.spec.skeleton.k], np.float32)
        return Poses(seen.xy, seen.score, person_score, unknown_ids(1), self.spec.skeleton)


def _holds(box: Box, xy: Point) -> bool:
    x, y, w, h = box.tolist()
    return bool(x <= xy[0] <= x + w and y <= xy[1] <= y + h)
