"""Where people are looked for in an evaluation: one BoxSource for each answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from poseapp.core import metrics, transform
from poseapp.core.errors import DataError
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, Frame, Poses
from poseapp.engine.base import Engine
from poseapp.engine.detector import Detector
from poseapp.pipeline.bottom_up import BottomUp
from poseapp.pipeline.single import OnePerson
from poseapp.train.data.annotations import BOX_PADDING, Person, read_image
from poseapp.train.eval.detections import Box, detected_boxes, drop_doubles, read_boxes
from poseapp.train.eval.evaluation_set import EvaluationSet
from poseapp.train.eval.predictor import PersonPredictor

Progress = Callable[[int, int], None]
FRAME_S = 1 / 30


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """What a model finds in a set.

    ``joints`` (N, K, 3), x, y in px of the picture and score, are those of each of the set's N people; ``boxes`` and ``poses``,
    one (K, 3) for each box, are what AP and AR are over; ``ms`` is the median time in the engine for one person or picture.
    """

    joints: FloatArray
    boxes: Sequence[Box]
    poses: Sequence[FloatArray]
    ms: float


class BoxSource(Protocol):
    """Where people are looked for.

    ``evaluate`` makes one with ``box_source``, calls ``predict`` once, and puts ``description`` into the line that says how
    the figures were made. A source keeps nothing of the set, and closes neither engine nor detector.
    """

    @property
    def description(self) -> str:
        """Which part of a picture the network sees, and where that is from."""
        ...

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """Find the people of *part*; *on_person* is called with how many are done, of how many."""
        ...


class AnnotatedBoxes:
    """Everybody is looked for in their annotated box."""

    description = f"crops, annotated boxes, padding {BOX_PADDING:g}"

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """See BoxSource."""
        joints = in_annotated_boxes(part, predictor, _Steps(len(part.people), on_person))
        boxes = [Box(p.image_id, p.path, p.box) for p in part.people]
        return Prediction(joints=joints, boxes=boxes, poses=list(joints), ms=predictor.median_ms)


class DetectorBoxes:
    """AP and AR are over the poses in all boxes that *detector* finds."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def description(self) -> str:
        """See BoxSource."""
        return _for_ap(f"boxes of {self._detector.spec.name}")

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """See BoxSource."""
        return in_given_boxes(part, detected_boxes(self._detector, part.pictures()), predictor, on_person)


class FileBoxes:
    """AP and AR are over the poses in the boxes of *file*, in COCO's detection format."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def description(self) -> str:
        """See BoxSource."""
        return _for_ap(f"boxes of {self._file.name}")

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """See BoxSource. Raises DataError on a wrong file, and on annotations that are not in COCO's format."""
        if part.labelled.format != "coco":
            name = part.labelled.annotations.name
            raise DataError(f"{self._file}: boxes of a file need annotations in COCO's format, got {name}. Use --boxes gt.")
        boxes = read_boxes(self._file, part.labelled.content)
        if part.limited:
            boxes = [box for box in boxes if box.image_id in part.image_ids]
        return in_given_boxes(part, boxes, predictor, on_person)


class OnePersonSearch:
    """AP and AR are over one person a picture, whom the Estimator of the mode "one" finds without a detector."""

    def __init__(self, engine: Engine) -> None:
        self._estimator = OnePerson(engine, thorough=True)

    @property
    def description(self) -> str:
        """See BoxSource."""
        return _for_ap("one person a picture, found as the app does,")

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """See BoxSource."""
        pictures = part.pictures()
        steps = _Steps(len(part.people) + len(pictures), on_person)
        joints = in_annotated_boxes(part, predictor, steps)
        ms = predictor.median_ms
        boxes, poses = [], []
        for image_id, path in pictures.items():
            for found in self._search(path):
                boxes.append(Box(image_id, path, transform.whole_box((1, 1))))
                poses.append(part.scored.predicted(found))
            steps.add()
        return Prediction(joints=joints, boxes=boxes, poses=poses, ms=ms)

    def _search(self, path: Path) -> list[FloatArray]:
        """Joints (K, 3) of the person in a still picture, who is looked at a second time, closer; nobody may be found."""
        image = read_image(path)
        self._estimator.reset()
        found = self._estimator.estimate(Frame(image, 0, 0.0)).poses
        if not len(found):
            return []
        closer = self._estimator.estimate(Frame(image, 1, FRAME_S)).poses
        return joints_of(closer if len(closer) else found)


class WholePictures:
    """All figures are over the people whom the Estimator of the mode "bottom-up" finds in whole pictures."""

    description = "whole pictures, bottom-up: who is not found counts with OKS 0 and all joints missed; ms is that of a picture"

    def __init__(self, engine: Engine) -> None:
        self._estimator = BottomUp(engine)

    def predict(self, part: EvaluationSet, predictor: PersonPredictor, on_person: Progress) -> Prediction:
        """See BoxSource; *predictor* has nothing to do."""
        skeleton = part.scored.skeleton
        pictures = part.pictures()
        steps = _Steps(len(pictures), on_person)
        joints = np.full((len(part.people), skeleton.k, 3), np.nan, np.float32)
        ms, boxes, poses = [], [], []
        for image_id, path in pictures.items():
            self._estimator.reset()
            result = self._estimator.estimate(Frame(read_image(path), 0, 0.0))
            ms.append(result.stage_ms["inference"])
            everybody = [part.scored.predicted(found) for found in joints_of(result.poses)]
            here = [m for m, person in enumerate(part.people) if person.image_id == image_id]
            for m, found in zip(here, assigned(everybody, [part.people[m] for m in here], skeleton), strict=True):
                joints[m] = found
            boxes += [Box(image_id, path, transform.whole_box((1, 1)), found_share(found)) for found in everybody]
            poses += everybody
            steps.add()
        return Prediction(joints=joints, boxes=boxes, poses=poses, ms=float(np.median(ms)))


def box_source(boxes: str, engine: Engine, detector: Detector | None) -> BoxSource:
    """The BoxSource called *boxes*: gt, detect (with *detector*, or a search without one), whole, or the path of a file."""
    if boxes == "gt":
        return AnnotatedBoxes()
    if boxes == "whole":
        return WholePictures(engine)
    if boxes == "detect":
        return OnePersonSearch(engine) if detector is None else DetectorBoxes(detector)
    return FileBoxes(Path(boxes))


class _Steps:
    """Counts what is done, and says so."""

    def __init__(self, total: int, on_person: Progress) -> None:
        self._total, self._on_person, self._done = total, on_person, 0

    def add(self) -> None:
        self._done += 1
        self._on_person(self._done, self._total)


def in_annotated_boxes(part: EvaluationSet, predictor: PersonPredictor, steps: _Steps) -> FloatArray:
    """The joints (N, K, 3) of each of the people of *part*, in their annotated boxes."""
    joints = np.full((len(part.people), part.scored.skeleton.k, 3), np.nan, np.float32)
    for n, person in enumerate(part.people):
        joints[n] = _in_box(part, predictor, person)
        steps.add()
    return joints


def in_given_boxes(part: EvaluationSet, boxes: Sequence[Box], predictor: PersonPredictor, on_person: Progress) -> Prediction:
    """The joints of the people of *part* in their annotated boxes, and the poses in *boxes*, without those that repeat others."""
    steps = _Steps(len(part.people) + len(boxes), on_person)
    joints = in_annotated_boxes(part, predictor, steps)
    ms = predictor.median_ms
    poses = []
    for box in boxes:
        poses.append(_in_box(part, predictor, box))
        steps.add()
    kept, their_poses = drop_doubles(boxes, poses, part.scored.skeleton)
    return Prediction(joints=joints, boxes=kept, poses=their_poses, ms=ms)


def _in_box(part: EvaluationSet, predictor: PersonPredictor, place: Box | Person) -> FloatArray:
    box = transform.fit_aspect(place.box, predictor.spec.input_hw, BOX_PADDING)
    return part.scored.predicted(predictor(place.path, box))


def _for_ap(boxes: str) -> str:
    return f"crops, {boxes} for AP and AR, annotated boxes for the rest, padding {BOX_PADDING:g}"


def joints_of(poses: Poses) -> list[FloatArray]:
    """Joints (K, 3), x, y and score, of each person."""
    return list(np.concatenate([poses.xy, poses.score[..., None]], axis=2))


def found_share(joints: FloatArray) -> float:
    """How many of the joints (K, 3) were found, 0..1: of two poses with equal scores the fuller one is the surer one."""
    return float(np.isfinite(joints[:, 0]).mean())


def assigned(found: Sequence[FloatArray], people: Sequence[Person], skeleton: Skeleton) -> list[FloatArray]:
    """For each of *people* the pose (K, 3) of *found* that is meant, the most similar pair first; NaN for who was not found."""
    nobody = np.full((skeleton.k, 3), np.nan, np.float32)
    nobody[:, 2] = 0
    out = [nobody] * len(people)
    similarity = np.zeros((len(people), len(found)))
    for n, person in enumerate(people):
        for m, joints in enumerate(found):
            similarity[n, m] = np.nan_to_num(metrics.oks(joints[:, :2], person.joints, person.area, skeleton.sigmas))
    while similarity.size and similarity.max() > 0:
        n, m = divmod(int(similarity.argmax()), similarity.shape[1])
        out[n] = found[m]
        similarity[n], similarity[:, m] = 0, 0
    return out
