"""Score an exported model in the engine that the app uses. Needs no torch.

Conventions, those of the papers: boxes are widened to the input's aspect and padded by 1.25 (Sun et al. 2019,
Sec. 4.1); with the flip test, the heatmaps of the picture and its mirror image are averaged (Newell et al. 2016,
Sec. 4.1); a detection's score is its box's score times the mean score of its joints above 0.2, and doubles above
OKS 0.9 are dropped, when boxes come from a detector (Sun et al. 2019, released evaluation code). A bottom-up network sees
whole pictures fitted into its input, and the people are put together along its fields (Cao et al. 2017, Sec. 2.3 to 2.5).
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core import heatmap, metrics, multiscale, paf, transform
from poseapp.core.errors import DataError
from poseapp.core.json_files import Fields, shortened
from poseapp.core.roi import RoiTracker, search_boxes
from poseapp.core.skeleton import COCO_17, Skeleton, joints_in
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.engine.base import Engine, Output
from poseapp.engine.detector import Detector
from poseapp.render import DrawOptions, draw_poses
from poseapp.train.data.annotations import BOX_PADDING, Person, convert_joints, read_image
from poseapp.train.data.coco import FARTHEST_PX, Annotations, load_json
from poseapp.train.data.datasets import LabelledSet

JOINT_SCORE = 0.2  # joints below it say nothing about how good a detection is
DOUBLE_OKS = 0.9
DETECTED = 30  # boxes a picture that a detector may give, however unsure: AP is over all scores
LEAST_SURE = 0.05
NOT_IN_PCKH = ("pelvis", "thorax")


@dataclass(frozen=True)
class Box:
    """Where to look for a person: ``box`` x, y, width, height in px of the picture *image_id*, with a score."""

    image_id: int
    path: Path
    box: NDArray[np.floating]
    score: float = 1.0


@dataclass(frozen=True)
class Scored:
    """What a model is scored on: the joints of a set, and where the model has them.

    ``skeleton`` is the set's, with COCO's sigmas for the joints that COCO has: OKS is over these alone. ``channels`` (K,)
    are the model's joints in its order, None for a joint that the model does not find: that one is not asked for.
    ``model`` names the model's own skeleton.
    """

    skeleton: Skeleton
    channels: tuple[int | None, ...]
    model: str

    @classmethod
    def of(cls, of_set: Skeleton | None, of_model: Skeleton) -> Scored:
        """The joints that a set and a model share, by name; None for a set of no known skeleton, seen as the model's."""
        skeleton = of_set or of_model
        sigmas = [COCO_17.sigmas[at] if at is not None else 0.0 for at in joints_in(skeleton.keypoints, COCO_17.keypoints)]
        scored = replace(skeleton, sigmas=tuple(sigmas))
        return cls(scored, joints_in(skeleton.keypoints, of_model.keypoints), of_model.name)

    @property
    def whole(self) -> bool:
        """Whether the model has every joint of the set."""
        return None not in self.channels

    def predicted(self, joints: FloatArray) -> FloatArray:
        """A model's joints (K_model, 3) in the order of the set, (K, 3): NaN with score 0 where the model has none."""
        out = np.full((len(self.channels), 3), np.nan, np.float32)
        out[:, 2] = 0
        for k, at in enumerate(self.channels):
            if at is not None:
                out[k] = joints[at]
        return out

    def requested(self, person: Person) -> Person:
        """*person* without the labels of joints that the model does not find, and with the size of the head."""
        head_px = person.head_px
        if math.isnan(head_px):
            head_px = float(metrics.head_size(person.joints[None], self.skeleton)[0])
        joints = person.joints.copy()
        joints[[at is None for at in self.channels]] = (np.nan, np.nan, 0)
        return replace(person, joints=joints, head_px=head_px)

    def __str__(self) -> str:
        shared = sum(at is not None for at in self.channels)
        if self.model == self.skeleton.name:
            return f"the {shared} joints of {self.model}"
        return f"the {shared} joints that the model ({self.model}) shares with the set ({self.skeleton.name})"


@dataclass(frozen=True)
class Figures:
    """What a model is worth. Every share is 0..1; the names are the keys of the JSON file.

    ``ap`` … ``ar`` are COCO's; ``mean_oks``, ``oks50`` and ``oks75`` are over the ``people`` with five or more labelled
    joints, from ground-truth boxes; ``pck_*`` is PCK@0.2 by torso and ``pckh_total`` PCKh@0.5, over all labelled joints;
    ``ms_per_person`` the median time in the engine for one crop (two with the flip test).
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    mean_oks: float
    oks50: float
    oks75: float
    pck_total: float
    pck_by_joint: Mapping[str, float | None]
    pckh_total: float | None
    ms_per_person: float
    people: int

    def to_json(self) -> str:
        """The text of the JSON file; null for what cannot be said, such as AP without COCO's joints."""
        known = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(self).items()}
        return json.dumps(known, indent=2, allow_nan=False) + "\n"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures, and what they came from.

    ``predicted`` (N, K, 3) x, y in px of the picture and score, for each of ``people``; ``errors`` counts the kinds of
    ``metrics.ERRORS`` by joint, (K, kinds); ``ap_medium`` and ``ap_large`` are COCO's APM and APL (−1: nobody of that size);
    ``pckh_by_joint`` (K,) is PCKh@0.5, NaN where nobody could be measured, by boxes about heads where the set has them.
    """

    figures: Figures
    ap_medium: float
    ap_large: float
    people: Sequence[Person]
    predicted: FloatArray
    errors: NDArray[np.int64]
    scored: Scored
    pckh_by_joint: NDArray[np.float64]
    head_boxes: bool = False

    @property
    def skeleton(self) -> Skeleton:
        """The joints of ``predicted`` and of all figures."""
        return self.scored.skeleton


def evaluate(
    engine: Engine,
    annotations: Path,
    images: Path,
    *,
    boxes: str = "gt",
    flip: bool = False,
    scales: Sequence[float] = (),
    limit: int = 0,
    detector: Detector | None = None,
    on_person: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score *engine* on the people of a COCO-format keypoint file, or of MPII's or LSP's own.

    A model of another skeleton than the set's is scored on the joints that both have. *boxes*: ``"gt"`` for the annotated
    boxes; ``"detect"`` for those that *detector* finds, and without one to look for one person in each picture as the app
    does then; or the path of a COCO detection file. AP and AR then use these; the other figures always come from the
    annotated boxes. ``"whole"`` has a bottom-up network find everybody in whole pictures, for all figures.
    *flip* averages the heatmaps with those of the mirrored crop, *scales* with those of larger and smaller crops.
    *limit* stops after so many people (0: all). *on_person* is called with how many are done. Raises DataError on
    wrong annotations, boxes or pictures.
    """
    labelled = LabelledSet(annotations, images, "val")
    scored = Scored.of(labelled.skeleton, engine.spec.skeleton)
    skeleton = scored.skeleton
    by_tools = scored.whole and skeleton.name == COCO_17.name
    if by_tools:
        require_pycocotools()
    if boxes not in ("gt", "detect", "whole") and labelled.format != "coco":
        raise DataError(f"{boxes}: boxes of a file need annotations in COCO's format, got {annotations.name}. Use --boxes gt.")
    read = labelled.read(skeleton, 1)
    people = [p for p in map(scored.requested, read) if metrics.labelled(p.joints).any()][: limit or None]
    if not people:
        raise DataError(f"{annotations}: nobody has a label that can be scored on {scored}. Take another set or model.")
    pictures = {p.image_id: p.path for p in people}
    if boxes in ("detect", "whole") and labelled.format == "coco" and not limit:
        # Who is found where nobody is counts against the detector.
        pictures |= {picture.id: picture.path for picture in labelled.content.pictures if picture.there}
    if boxes == "whole":
        if flip or scales:
            raise DataError(f"{engine.spec.name}: flip and scales are for crops, got whole pictures. Leave them out.")
        given = []
    elif boxes == "detect" and detector is not None:
        given = detected_boxes(detector, pictures)
    else:
        given = [] if boxes in ("gt", "detect") else read_boxes(Path(boxes), labelled.content)
        given = [box for box in given if not limit or box.image_id in pictures]
    searched = boxes == "whole" or (boxes == "detect" and detector is None)
    total = (0 if boxes == "whole" else len(people)) + (len(pictures) if searched else len(given))
    predictor = Predictor(engine, flip, scales)
    predicted = np.full((len(people), skeleton.k, 3), np.nan, np.float32)
    for n, person in enumerate(people if boxes != "whole" else ()):
        joints = predictor(person.path, transform.fit_aspect(person.box, engine.spec.input_hw, BOX_PADDING))
        predicted[n] = scored.predicted(joints)
        on_person(n + 1, total)
    found = [Box(p.image_id, p.path, p.box) for p in people]
    poses = list(predicted)
    if boxes == "whole":
        found, poses = [], []
        for n, (image_id, path) in enumerate(pictures.items()):
            everybody = [scored.predicted(joints) for joints in predictor.everybody(path)]
            here = [m for m, person in enumerate(people) if person.image_id == image_id]
            for m, joints in zip(here, assigned(everybody, [people[m] for m in here], skeleton), strict=True):
                predicted[m] = joints
            found += [Box(image_id, path, transform.whole_box((1, 1)), found_share(joints)) for joints in everybody]
            poses += everybody
            on_person(n + 1, total)
    ms_per_person = predictor.median_ms
    if boxes == "detect" and detector is None:
        found, poses = [], []
        for n, (image_id, path) in enumerate(pictures.items()):
            seen = look_for_a_person(predictor, path)
            if seen is not None:
                found.append(Box(image_id, path, transform.whole_box((1, 1))))
                poses.append(scored.predicted(seen))
            on_person(len(people) + n + 1, total)
    elif boxes not in ("gt", "whole"):
        found, poses = given, []
        for box in given:
            joints = predictor(box.path, transform.fit_aspect(box.box, engine.spec.input_hw, BOX_PADDING))
            poses.append(scored.predicted(joints))
            on_person(len(people) + len(poses), total)
        found, poses = drop_doubles(found, poses, skeleton)
    if by_tools:
        coco = coco_summary(labelled.content, found, poses, {p.image_id for p in people} if limit else None)
    else:
        coco = shared_summary(people, found, poses, scored)
    head_boxes = any(math.isfinite(p.head_px) for p in read)
    return summarise(people, predicted, coco, scored, ms_per_person, head_boxes)


class Predictor:
    """Finds the joints of one person at a time, as the app does, and keeps the times."""

    def __init__(self, engine: Engine, flip: bool, scales: Sequence[float] = ()) -> None:
        self.engine, self.flip, self.scales = engine, flip, scales
        self._image: tuple[Path, ImageArray] | None = None  # people of one picture follow each other
        self._ms: list[float] = []  # a person
        self._in_engine_ms = 0.0  # for the person at hand, over all its crops

    @property
    def median_ms(self) -> float:
        """Median time in the engine for one person, in ms."""
        return float(np.median(self._ms)) if self._ms else float("nan")

    def image(self, path: Path) -> ImageArray:
        """The picture at *path*, uint8 BGR."""
        if self._image is None or self._image[0] != path:
            self._image = path, read_image(path)
        return self._image[1]

    def __call__(self, path: Path, box: NDArray[np.floating]) -> FloatArray:
        """Joints (K, 3), x, y in px of the picture and score, of the person in *box*, which is not padded."""
        spec = self.engine.spec
        image = self.image(path)
        self._in_engine_ms = 0.0
        if self.flip or self.scales:
            mean, to_frame = multiscale.average_beliefs(
                self._beliefs, image, box, spec.input_hw, spec.heatmap_hw, spec.mapping, self.scales or (1.0,)
            )
            joints = multiscale.joints_of(mean, to_frame, spec.decode, spec.sigma_px)
        else:
            affine = transform.crop_affine(box, spec.input_hw)
            crop = transform.crop(image, affine, spec.input_hw)
            joints = self._infer(crop[None]).keypoints[0].copy()
            joints[:, :2] = transform.apply(transform.invert(affine), joints[:, :2].astype(np.float64))
        self._ms.append(self._in_engine_ms)
        return joints

    def everybody(self, path: Path) -> list[FloatArray]:
        """Joints (K, 3) of each person in a whole picture, best first, NaN where not found: by a network with fields."""
        spec = self.engine.spec
        image = self.image(path)
        affine = transform.crop_affine(transform.whole_box((image.shape[0], image.shape[1])), spec.input_hw)
        self._in_engine_ms = 0.0
        output = self._infer(transform.crop(image, affine, spec.input_hw)[None], heatmaps=True)
        if output.fields is None or output.heatmaps is None:
            raise DataError(f"{spec.name}: its graph gives no part affinity fields, which whole pictures need. Use --boxes gt.")
        self._ms.append(self._in_engine_ms)
        joints, _ = paf.decode(output.heatmaps[0], output.fields[0], spec.skeleton)
        to_input = heatmap.input_from_cells(spec.input_hw, spec.heatmap_hw, spec.mapping)
        to_picture = transform.compose(transform.invert(affine), to_input)
        joints[..., :2] = transform.apply(to_picture, joints[..., :2].astype(np.float64))
        return list(joints)

    def _infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """What the engine makes of *crops*; its time counts for the person at hand."""
        start = time.perf_counter()
        output = self.engine.infer(crops, heatmaps)
        self._in_engine_ms += (time.perf_counter() - start) * 1e3
        return output

    def _beliefs(self, crops: ImageArray) -> FloatArray:
        """Heatmaps (1, K, h, w) of one crop (1, H, W, 3); with flip, their mean with those of its mirror image."""
        spec = self.engine.spec
        seen = np.concatenate([crops, crops[:, :, ::-1]]) if self.flip else crops
        maps = self._infer(seen, heatmaps=True).heatmaps
        assert maps is not None
        if self.flip:
            return heatmap.with_mirrored(maps[:1], maps[1:], spec.skeleton.flip_index, spec.mapping)
        return maps


def look_for_a_person(predictor: Predictor, path: Path) -> FloatArray | None:
    """Joints (K, 3) of the person that the app finds in a still picture, without being told where; None when nobody is found."""
    spec = predictor.engine.spec
    image_hw = predictor.image(path).shape[:2]
    follower = RoiTracker(spec.skeleton, spec.input_hw)
    for _ in search_boxes(image_hw, spec.input_hw):
        joints = predictor(path, follower.box(image_hw))
        if follower.update(joints[:, :2], joints[:, 2], image_hw):
            return predictor(path, follower.box(image_hw))  # a second look, closer
    return None


def detected_boxes(detector: Detector, pictures: Mapping[int, Path]) -> list[Box]:
    """What *detector* finds in *pictures*, the unsure boxes too."""
    boxes = []
    for image_id, path in pictures.items():
        for box, score in zip(*detector.find(read_image(path), DETECTED, LEAST_SURE), strict=True):
            if box[2] > 1 and box[3] > 1:
                boxes.append(Box(image_id, path, box, float(score)))
    return boxes


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


def read_boxes(path: Path, annotations: Annotations) -> list[Box]:
    """Boxes in COCO's detection format, of the pictures that *annotations* name; DataError on anything else."""

    def wrong(what: str) -> DataError:
        return DataError(f'{path}: expected a list of {{"image_id", "bbox", "score"}} ({what}).')

    if not path.exists():  # as a misspelt way is, too
        raise DataError(f"boxes {str(path)!r}: neither gt, detect, whole or track, nor a file. Take one of these.")
    content = load_json(path)
    if not isinstance(content, list):
        raise wrong(shortened(content))
    boxes = []
    for entry in content:
        fields = Fields(entry, wrong)
        picture = annotations.picture(fields.content.get("image_id"))
        box, score = fields.floats("bbox", 4), fields.number("score")
        if not math.isfinite(score) or max(map(abs, box)) > FARTHEST_PX:
            raise wrong(f"score {score:g}, bbox {box}")
        if picture is not None and fields.content.get("category_id", 1) == 1 and min(box[2:]) > 1:
            boxes.append(Box(picture.id, picture.path, np.asarray(box, np.float32) - (0.5, 0.5, 0, 0), score))
    if not boxes:
        raise DataError(f"{path}: no box of a person in the pictures of {Path(annotations.where).name}.")
    return boxes


def pose_score(box_score: float, joints: FloatArray) -> float:
    """How good a detection is: its box's score times the mean score of its joints above 0.2."""
    sure = joints[:, 2][joints[:, 2] > JOINT_SCORE]
    return float(box_score * (sure.mean() if len(sure) else joints[:, 2].mean()))


def drop_doubles(boxes: Sequence[Box], poses: Sequence[FloatArray], skeleton: Skeleton) -> tuple[list[Box], list[FloatArray]]:
    """Boxes and poses without those that repeat a better one of the same picture (OKS above 0.9)."""
    kept: dict[int, list[int]] = defaultdict(list)
    for i in sorted(range(len(boxes)), key=lambda i: -pose_score(boxes[i].score, poses[i])):
        others = kept[boxes[i].image_id]
        as_truth = np.column_stack([poses[i][:, :2], np.where(np.isnan(poses[i][:, 0]), 0, 2)])
        area = float(np.prod(np.nanmax(poses[i][:, :2], axis=0) - np.nanmin(poses[i][:, :2], axis=0)))
        similarity = [float(metrics.oks(poses[j][:, :2], as_truth, area, skeleton.sigmas)) for j in others]
        if max(similarity, default=0.0) <= DOUBLE_OKS:
            others.append(i)
    order = sorted(i for indices in kept.values() for i in indices)
    return [boxes[i] for i in order], [poses[i] for i in order]


def default_boxes(spec: ModelSpec) -> str:
    """Where to look for people when nobody says: bottom-up networks see whole pictures, all others annotated boxes."""
    return "whole" if spec.has_affinity_fields else "gt"


def write_json(text: str, path: Path) -> None:
    """Write the figures *text* to *path*; DataError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Give another path to --json.") from None


def require_pycocotools() -> None:
    """Raise DataError, with what to install, where pycocotools is missing."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ModuleNotFoundError:
        raise DataError('evaluation: pycocotools is not installed. Install it with: pip install "poseapp[train]"') from None


def complete(annotations: Annotations) -> dict[str, Any]:
    """*annotations* with all that COCO's evaluation reads, which other makers leave out or number otherwise."""
    entries = []
    for n, entry in enumerate(e for e in annotations.people if e.box is not None):
        joints = convert_joints(entry.joints, entry.names, COCO_17)
        assert entry.box is not None
        left_out = entry.box[2:].min() <= 1  # as for all other figures: neither missed nor wrong
        entries.append(
            {
                "iscrowd": int(entry.crowd),
                "num_keypoints": 0 if left_out else int(np.count_nonzero(joints[:, 2])),
                "keypoints": np.nan_to_num(joints).ravel().tolist(),
                "bbox": np.add(entry.box, (0.5, 0.5, 0, 0)).tolist(),
                "image_id": entry.picture.id,
                "id": n + 1,  # 0 would stand for "no match"
                "category_id": 1,
                "area": entry.area,
            }
        )
    images = [{"id": picture.id} for picture in annotations.pictures]
    return {"info": {}, "images": images, "categories": [{"id": 1}], "annotations": entries}


def coco_summary(
    annotations: Annotations, boxes: Sequence[Box], poses: Sequence[FloatArray], image_ids: set[int] | None
) -> list[float]:
    """AP, AP50, AP75, APM, APL, AR of COCO's 17 joints by pycocotools, in all pictures or those of *image_ids*."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results: list[dict[str, Any]] = [
        {
            "image_id": box.image_id,
            "category_id": 1,
            # A joint that was not found lies where none can be, as in the authors' release of OpenPose.
            "keypoints": np.nan_to_num(np.column_stack([joints[:, :2], np.ones(len(joints))])).astype(float).ravel().tolist(),
            "score": pose_score(box.score, joints),
        }
        for box, joints in zip(boxes, poses, strict=True)
    ]
    if not results:
        return [0.0] * 6  # nobody was found
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table of its own
        truth = COCO()
        truth.dataset = complete(annotations)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
        if image_ids is not None:
            evaluation.params.imgIds = sorted(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


def shared_summary(people: Sequence[Person], boxes: Sequence[Box], poses: Sequence[FloatArray], scored: Scored) -> list[float]:
    """AP, AP50, AP75, APM, APL, AR over the joints that set, model and COCO share, in the pictures of *people*.

    By the rules of COCO's evaluation, which itself takes all 17 joints or none; people are those given, without crowds.
    """
    sigmas = np.asarray(scored.skeleton.sigmas)
    joints = np.array([at is not None for at in scored.channels]) & (sigmas > 0)
    of_picture: dict[int, tuple[list[Person], list[int]]] = {p.image_id: ([], []) for p in people}
    for person in people:
        of_picture[person.image_id][0].append(person)
    for i, box in enumerate(boxes):
        if box.image_id in of_picture:
            of_picture[box.image_id][1].append(i)
    scenes = [
        metrics.Scene(
            predicted=np.array([poses[i][joints, :2] for i in found], np.float64).reshape(-1, joints.sum(), 2),
            score=np.array([pose_score(boxes[i].score, poses[i][joints]) for i in found]),
            truth=np.stack([p.joints[joints] for p in here]).astype(np.float64),
            area=np.array([p.area for p in here]),
            boxes=np.stack([p.box for p in here]).astype(np.float64),
        )
        for here, found in of_picture.values()
    ]
    result = metrics.average_precision(scenes, sigmas[joints])
    return list(asdict(result).values())


def summarise(
    people: Sequence[Person],
    predicted: FloatArray,
    coco: Sequence[float],
    scored: Scored,
    ms_per_person: float,
    head_boxes: bool = False,
) -> Evaluation:
    """All figures for *predicted* (N, K, 3) against *people*; *coco* as ``coco_summary`` gives it.

    *head_boxes*: the set says how large heads are. PCKh leaves out pelvis and thorax, as MPII's own evaluation does.
    """
    skeleton = scored.skeleton
    truth = np.stack([p.joints for p in people]).astype(np.float64)
    area = np.array([p.area for p in people])
    xy = predicted[..., :2].astype(np.float64)
    enough = metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS
    similarity = metrics.oks(xy, truth, area, skeleton.sigmas)[enough]
    pck = metrics.pck(xy, truth, metrics.torso_size(truth, skeleton), 0.2)
    pckh = metrics.pck(xy, truth, [p.head_px for p in people], 0.5)
    counted = np.where([name in NOT_IN_PCKH for name in skeleton.keypoints], 0, pckh.joints)
    pckh_total = float(np.nansum(pckh.by_joint * counted) / counted.sum()) if counted.sum() else None
    by_picture: dict[int, list[int]] = defaultdict(list)
    for n, person in enumerate(people):
        by_picture[person.image_id].append(n)
    others = [truth[[m for m in by_picture[p.image_id] if m != n]] for n, p in enumerate(people)]
    kinds = metrics.classify_errors(xy, truth, area, others, skeleton)
    errors = np.stack([(kinds == i).sum(axis=0) for i in range(len(metrics.ERRORS))], axis=1)
    ap, ap50, ap75, ap_medium, ap_large, ar = coco
    figures = Figures(
        ap=ap,
        ap50=ap50,
        ap75=ap75,
        ar=ar,
        mean_oks=float(similarity.mean()) if len(similarity) else float("nan"),
        oks50=float((similarity >= 0.5).mean()) if len(similarity) else float("nan"),
        oks75=float((similarity >= 0.75).mean()) if len(similarity) else float("nan"),
        pck_total=pck.total,
        pck_by_joint={
            name: float(value) if np.isfinite(value) else None
            for name, value in zip(skeleton.keypoints, pck.by_joint, strict=True)
        },
        pckh_total=pckh_total,
        ms_per_person=ms_per_person,
        people=int(enough.sum()),
    )
    return Evaluation(figures, ap_medium, ap_large, people, predicted, errors, scored, pckh.by_joint, head_boxes)


def conventions(
    engine: Engine, result: Evaluation, boxes: str, flip: bool, scales: Sequence[float] = (), detector: Detector | None = None
) -> str:
    """One line that says how the figures were made."""
    spec = engine.spec
    looked = f"boxes of {Path(boxes).name}"
    if boxes == "detect":
        looked = f"boxes of {detector.spec.name}" if detector is not None else "one person a picture, found as the app does,"
    where = "annotated boxes" if boxes == "gt" else f"{looked} for AP and AR, annotated boxes for the rest"
    if boxes == "whole":
        where = "whole pictures, bottom-up: who is not found counts with OKS 0 and all joints missed; ms is that of a picture"
    height, width = spec.input_hw
    if result.head_boxes:
        head = "0.6 × the head box's diagonal, without pelvis and thorax"
    else:
        head = "neck to head top" if "head_top" in result.skeleton.keypoints else "1.5 × the widest labelled face distance"
    whole = result.scored.whole and result.skeleton.name == COCO_17.name
    joints = "" if whole else f"{result.scored}; OKS and AP over those of them that COCO has, without crowds; "
    tests = f"{'flip test' if flip else 'no flip test'}{f', mean of {len(scales)} scales' if scales else ''}"
    crops = where if boxes == "whole" else f"crops, {where}, padding {BOX_PADDING:g}"
    return (
        f"{joints}{height}×{width} {crops}; {tests}; "
        f"decode {spec.decode}, mapping {spec.mapping}; PCK@0.2 of left shoulder to right hip; PCKh@0.5 of {head}; "
        f"{engine.backend}"
    )


# --- the worst, to look at ------------------------------------------------------------------------------------


def contact_sheet(evaluation: Evaluation, worst: int = 20, cell_hw: tuple[int, int] = (256, 192)) -> ImageArray:
    """The *worst* people by OKS, five to a row: truth on the left, prediction on the right, uint8 BGR."""
    skeleton = evaluation.skeleton
    truth = np.stack([p.joints for p in evaluation.people])
    similarity = metrics.oks(evaluation.predicted[..., :2], truth, [p.area for p in evaluation.people], skeleton.sigmas)
    similarity = np.where(metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS, similarity, np.inf)
    order = [n for n in np.argsort(similarity, kind="stable")[:worst] if np.isfinite(similarity[n])]
    cells = []
    for n in order:
        person = evaluation.people[n]
        affine = transform.crop_affine(transform.fit_aspect(person.box, cell_hw, BOX_PADDING), cell_hw)
        crop = transform.crop(read_image(person.path), affine, cell_hw)
        shown = metrics.labelled(person.joints)
        pair = [
            _draw(crop.copy(), transform.apply(affine, person.joints[:, :2].astype(np.float64)), shown, skeleton),
            _draw(crop.copy(), transform.apply(affine, evaluation.predicted[n, :, :2].astype(np.float64)), shown, skeleton),
        ]
        cell = np.hstack(pair)
        label = f"{person.annotation_id}: OKS {similarity[n]:.2f}"
        cv2.putText(cell, label, (4, cell_hw[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(cell, label, (4, cell_hw[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(cv2.copyMakeBorder(cell, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(40, 40, 40)))
    columns = 5
    blank = np.zeros((cell_hw[0] + 4, 2 * cell_hw[1] + 4, 3), np.uint8)
    cells += [blank] * (-len(cells) % columns or (columns if not cells else 0))
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]).astype(np.uint8, copy=False)


def _draw(image: ImageArray, xy: NDArray[np.floating], shown: NDArray[np.bool_], skeleton: Skeleton) -> ImageArray:
    """*image* with the *shown* joints (K,) of one pose drawn into it."""
    points = np.where(shown[:, None], xy, np.nan).astype(np.float32)[None]
    pose = Poses(
        xy=points,
        score=shown.astype(np.float32)[None],
        person_score=np.ones(1, np.float32),
        ids=np.zeros(1, np.int64),
        skeleton=skeleton,
    )
    draw_poses(image, pose, DrawOptions(threshold=0.5))
    return image


def write_png(image: ImageArray, path: Path) -> None:
    """Write *image* to *path*; DataError when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}).") from None
