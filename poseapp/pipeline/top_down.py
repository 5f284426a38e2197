"""Several people, top-down: a detector, then the pose of each person in a crop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from poseapp.core.geometry import box_iou
from poseapp.core.nms import POSE_NMS, fragments, likeness, pose_nms
from poseapp.core.roi import ROI, Box, detected_region, is_person, next_region, on_grid
from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.types import FloatArray, Frame, PoseMode, Poses, Result
from poseapp.engine.base import Engine
from poseapp.pipeline.estimator import Estimator, PersonFinder, Point, locked_after
from poseapp.pipeline.predictor import CropPoses, CropPredictor, Predictor, StageTimer, unknown_ids

LARGEST_BATCH = 16  # crops at once: beyond it no device gains anything, and memory grows


@dataclass(frozen=True)
class TopDownRule:
    """How top-down works.

    The detector runs every ``detect_every`` frames, and when somebody is lost. A detection that overlaps a known
    person's box, with the arms or without, by more than ``covered`` (intersection over union) is that person.
    A person that the network misses is lost when they were last seen more than ``lost_s`` ago, or after as many misses in a row
    as in the mode "one". A person that was not given to the network for ``predicted_s`` is lost, too.
    """

    detect_every: int = 10
    covered: float = 0.3
    lost_s: float = 0.3
    predicted_s: float = 2.0


TOP_DOWN = TopDownRule()


@dataclass
class _Followed:
    """Where a known person is expected: ``region`` for the network, and ``bodies``, which are as tight as a detector's boxes."""

    region: Box
    bodies: tuple[Box, ...]
    seen: float  # s
    misses: int = 0
    waiting: int = 0  # frames in which there was no time for them


class TopDown:
    """The Estimator of the mode "top-down": a detector finds people, and each pose is found in a crop.

    Between detections the crops follow the poses. Each frame gives at least one person to the network, and no more than fit into
    *latency_budget_ms*. The others are predicted: they are put where they are expected, and come first in the next frame. A
    locked person is given to the network in every frame. *thorough* detects in every frame, ignores the budget and lays the
    regions on a grid (``on_grid``), for files without a window; a still gets that time in any case, since no later frame would
    show who was left out.
    """

    mode: PoseMode = "top-down"

    def __init__(
        self,
        engine: Engine,
        detector: PersonFinder,
        rule: TopDownRule = TOP_DOWN,
        latency_budget_ms: float = math.inf,
        thorough: bool = False,
    ) -> None:
        self.predictor: Predictor = CropPredictor(engine)
        self._detector = detector
        self._rule, self._thorough, self.latency_budget_ms = rule, thorough, latency_budget_ms
        self.tracker = Tracker(self.spec.skeleton)
        self.locked: int | None = None
        self._arms = np.array([name.endswith(("elbow", "wrist")) for name in self.spec.skeleton.keypoints])
        self._followed: dict[int, _Followed] = {}
        self._new: list[Box] = []  # regions of somebody new that there was no time for yet
        self._new_first = False
        self._since_detection = 0
        self._detect_now = True
        self._ms_each = 0.0  # one person's share of a batch, as measured; 0: not yet

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.predictor.spec

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """The people who are seen, and those who are predicted; see Estimator."""
        timer = StageTimer(wait_ms)
        thorough = self._thorough or frame.is_still
        regions = self._regions(frame, thorough, timer)
        seen = self._look(frame, thorough, [box for _, box in regions], heatmaps, timer)
        looked = regions[: len(seen.xy)]
        self._new = [box for identity, box in regions[len(looked) :] if identity is None]
        self._count(regions, len(looked))
        waiting = {identity for identity, _ in regions[len(looked) :] if identity is not None}
        expected = self.tracker.predict(frame.t)
        expected = expected.pick(np.isin(expected.ids, list(waiting)))
        found = self._people(seen, [identity for identity, _ in looked], expected)
        predicted = waiting - seen_by_chance(expected, found)
        poses = self.tracker.update(found, frame.t, predicted)
        predicted &= set(poses.ids.tolist())
        self._follow(poses, predicted, frame)
        self._give_up(frame.t)
        timer.mark("decode")
        return Result(
            frame=frame,
            poses=poses,
            stage_ms=timer.times(),
            boxes=np.stack([box for _, box in looked]).astype(np.float32) if looked else None,
            heatmaps=seen.heatmaps,
            model=self.spec.name,
            mode=self.mode,
            locked=self.locked,
            predicted=frozenset(predicted),
        )

    def reset(self) -> None:
        """See Estimator."""
        self.tracker.reset()
        self.locked = None
        self._followed, self._new, self._detect_now = {}, [], True
        self._new_first = False  # or who comes first in a picture would depend on the source before

    def lock(self, xy: Point | None) -> None:
        """See Estimator."""
        self.locked = locked_after(self.tracker, self.locked, xy)

    def take_over_state(self, other: Estimator) -> None:
        """See Estimator."""
        self.tracker.take_over_state(other.tracker)
        self.locked = other.locked
        if isinstance(other, TopDown):
            self._followed, self._ms_each = other._followed, 0.0

    def rewind(self) -> None:
        """See Estimator."""
        self.tracker.rewind()
        self._followed, self._new, self._detect_now = {}, [], True

    def renumber(self) -> Mapping[int, int]:
        """See Estimator."""
        given = self.tracker.renumber()
        self.locked = given.get(self.locked or 0)
        self._followed = {given[identity]: person for identity, person in self._followed.items() if identity in given}
        return given

    def _regions(self, frame: Frame, thorough: bool, timer: StageTimer) -> list[tuple[int | None, Box]]:
        """The regions for the network, the most urgent first, each with the identity of its person; None for somebody new."""
        known = sorted(self._followed.items(), key=lambda item: (item[0] != self.locked, -item[1].waiting))
        regions: list[tuple[int | None, Box]] = [(identity, person.region) for identity, person in known]
        self._since_detection += 1
        missing = self.locked is not None and self.locked not in self._followed
        due = thorough or self._since_detection >= self._rule.detect_every
        if due or missing or self._detect_now or not self._followed:
            self._since_detection, self._detect_now = 0, False
            boxes, _ = self._detector.find(frame.image)
            bodies = [body for person in self._followed.values() for body in person.bodies]
            new = [box for box in boxes if not any(box_iou(box, body) > self._rule.covered for body in bodies)]
            self._new = [detected_region(box, self.spec.input_hw) for box in new]
            timer.mark("detect")
        # In turn, so that where there is time for a few only, neither those who come nor those who are there are starved.
        first = 1 if self.locked in self._followed else 0
        self._new_first = not self._new_first
        turns: list[list[tuple[int | None, Box]]] = [[(None, box) for box in self._new], regions[first:]]
        pairs = itertools.zip_longest(*(turns if self._new_first else turns[::-1]))
        return [*regions[:first], *(region for pair in pairs for region in pair if region is not None)]

    def _look(self, frame: Frame, thorough: bool, boxes: Sequence[Box], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """The poses in the first of *boxes*, as many as the budget allows; in one batch, if they fit into one."""
        k, done, spent_ms = self.spec.skeleton.k, 0, 0.0
        least = 2 if self.locked in self._followed else 1  # holding on to one must not stop the turn of the others
        parts = [CropPoses(np.empty((0, k, 2), np.float32), np.empty((0, k), np.float32), ())]
        while done < len(boxes):
            n = max(self._affordable(spent_ms, thorough), least - done)
            if n <= 0:
                break
            batch = boxes[done : done + n]
            before = timer.ms.get("crop", 0.0) + timer.ms.get("inference", 0.0)
            parts.append(self.predictor.predict(frame.image, batch, heatmaps, timer))
            took_ms = timer.ms["crop"] + timer.ms["inference"] - before
            self._ms_each += (0.2 if self._ms_each else 1.0) * (took_ms / len(batch) - self._ms_each)
            spent_ms, done = spent_ms + took_ms, done + len(batch)
        return CropPoses(
            np.concatenate([part.xy for part in parts]),
            np.concatenate([part.score for part in parts]),
            tuple(maps for part in parts for maps in part.heatmaps),
        )

    def _affordable(self, spent_ms: float, thorough: bool) -> int:
        """How many more people there is time for in this frame, at most one batch of them."""
        if thorough or math.isinf(self.latency_budget_ms):
            return LARGEST_BATCH
        if not self._ms_each:
            return 1  # to learn what one costs
        return min(LARGEST_BATCH, max(0, int((self.latency_budget_ms - spent_ms) / self._ms_each)))

    def _people(self, seen: CropPoses, who: Sequence[int | None], expected: Poses) -> Poses:
        """The people in *seen*, each once. A fragment of another person is left out, also when that person is only *expected*."""
        person = [n for n, identity in enumerate(who) if is_person(seen.score[n], known=identity is not None)]
        score = seen.score[person]
        poses = Poses(
            xy=seen.xy[person],
            score=score,
            person_score=score.mean(axis=1).astype(np.float32),
            ids=unknown_ids(len(person)),
            skeleton=self.spec.skeleton,
        )
        whole = np.asarray(~fragments(poses.plus(expected))[:, : len(poses)].any(axis=0), bool)
        return pose_nms(poses.pick(whole))

    def _count(self, regions: Sequence[tuple[int | None, Box]], looked: int) -> None:
        """Count a miss for the first *looked* people, a wait for the others. ``_follow`` resets it for those who were found."""
        for i, (identity, _) in enumerate(regions):
            if identity is not None:
                person = self._followed[identity]
                if i < looked:
                    person.misses, person.waiting = person.misses + 1, 0
                else:
                    person.waiting += 1

    def _follow(self, poses: Poses, predicted: Collection[int], frame: Frame) -> None:
        """From now on follow the people of *poses* from where they are, or from where the *predicted* ones are expected."""
        for xy, score, identity in zip(poses.xy, poses.score, poses.ids.tolist(), strict=True):
            before = self._followed.get(identity)
            last = before.region if before is not None else None
            region = next_region(poses.skeleton, xy, score, frame.hw, self.spec.input_hw, last)
            region = on_grid(region) if self._thorough else region
            bodies = self._bodies(xy, score)
            if before is not None and identity in predicted:
                self._followed[identity] = replace(before, region=region, bodies=bodies)
            else:
                self._followed[identity] = _Followed(region, bodies, frame.t)

    def _bodies(self, xy: FloatArray, score: FloatArray) -> tuple[Box, ...]:
        """The boxes of a person with and without the arms: a detector may leave out stretched arms."""
        whole, rest = body_box(xy, score), np.where(self._arms, 0.0, score)
        return (whole, body_box(xy, rest)) if (rest >= ROI.trusted).sum() >= 2 else (whole,)

    def _give_up(self, t: float) -> None:
        """Stop following the people who are lost; a detection may find them again."""
        rule = self._rule
        lost = [
            identity
            for identity, person in self._followed.items()
            if person.misses >= ROI.misses or t - person.seen > (rule.lost_s if person.misses else rule.predicted_s)
        ]
        for identity in lost:
            del self._followed[identity]
        self._detect_now = bool(lost)


def seen_by_chance(expected: Poses, found: Poses) -> set[int]:
    """The people of *expected* who were *found* in a region that was meant for another person.

    If they were predicted, too, they would appear twice, and once more with every detection.
    """
    if len(expected) == 0 or len(found) == 0:
        return set()
    both = found.plus(expected)
    alike = (likeness(both, POSE_NMS) >= POSE_NMS.eta) | fragments(both)
    return set(expected.ids[alike[: len(found), len(found) :].any(axis=0)].tolist())


def body_box(xy: FloatArray, score: FloatArray) -> Box:
    """The box (4,) around the trusted joints of *xy* (K, 2), made larger, because a body is larger than its joints."""
    joints = xy[score >= ROI.trusted]
    low, high = joints.min(axis=0), joints.max(axis=0)
    rim = 0.08 * (high - low).max()
    return np.concatenate([low - rim, high - low + 2 * rim]).astype(np.float32)
