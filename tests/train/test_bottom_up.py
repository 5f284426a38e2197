"""Bottom-up and with a detector: how whole pictures are scored, and that a small network learns a drawn crowd by heart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from crowd import add, draw_crowd
from drawn import STILL

from poseapp.core import transform
from poseapp.core.errors import DataError, ModelError
from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.core.spec import ModelSpec, Source
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, Output
from poseapp.engine.detector import Detector, DetectorSpec
from poseapp.nets.hourglass import StackedHourglass
from poseapp.train import checkpoint
from poseapp.train.data.annotations import read_image
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture, Scenes, read_pictures
from poseapp.train.data.scene_dataset import CropPoses, moved_box
from poseapp.train.data.targets import Target
from poseapp.train.eval.box_sources import assigned
from poseapp.train.eval.evaluate import EvaluationOptions, evaluate
from poseapp.train.loop import Options, train
from poseapp.train.recipes import Phase, Recipe
from poseapp.train.tasks import task_of
from poseapp.train.tasks.bottom_up import SceneEncoder

INPUT = (128, 192)
SPEC = ModelSpec(
    name="oracle",
    family="openpose",
    skeleton=OPENPOSE_18,
    input_hw=INPUT,
    stride=4,
    decode="dark",
    mapping="centre",
    sigma_px=1.5,
    weights_sha256="0" * 64,
    parameters=1,
    macs=1,
    source=Source("none", "none", "none"),
    metrics={},
    variants={},
)
WHOLE = EvaluationOptions(boxes="whole")


class Oracle:
    """An engine that knows the people of some pictures, and recognises each picture by its pixels."""

    def __init__(self, pictures: list[Picture], fields: bool = True) -> None:
        self.spec, self.backend = SPEC, Backend("oracle", "none", "FP32")
        target = Target(INPUT, (32, 48), 1.5, "centre", background=True, limbs=OPENPOSE_18.limbs, limb_width_px=1.5)
        self.encoder, self.fields, self.known = SceneEncoder(target, 4, 18), fields, {}
        self.nobody = self.encoder.encode([], (), INPUT)[0]
        for picture in pictures:
            image = read_image(picture.path)
            affine = transform.crop_affine(transform.whole_box((image.shape[0], image.shape[1])), INPUT)
            people = []
            for person in picture.people:
                joints = person.joints.copy()
                joints[:, :2] = transform.apply(affine, joints[:, :2])
                people.append(CropPoses(joints, moved_box(person.box, affine)))
            self.known[transform.crop(image, affine, INPUT).tobytes()] = self.encoder.encode(people, (), INPUT)[0]

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        maps = np.stack([self.known.get(crop.tobytes(), self.nobody) for crop in crops])
        keypoints: FloatArray = np.zeros((len(crops), 18, 3), np.float32)
        return Output(keypoints, maps[:, :18], maps[:, 19:] if self.fields else None)

    def close(self) -> None:
        pass


@pytest.fixture
def crowd(tmp_path: Path) -> tuple[Path, Path]:
    """Annotations and pictures: three pictures of two figures each."""
    return draw_crowd(tmp_path, pictures=3), tmp_path / "images"


def pictures_of(crowd: tuple[Path, Path]) -> list[Picture]:
    return read_pictures(LabelledSet(*crowd, "val"), OPENPOSE_18)


def test_whoever_sees_everybody_gets_full_marks(crowd: tuple[Path, Path]) -> None:
    result = evaluate(Oracle(pictures_of(crowd)), *crowd, WHOLE)
    figures = result.figures
    assert figures.people == 6
    assert figures.ap == pytest.approx(1.0)
    assert figures.mean_oks > 0.97
    assert figures.pck_total == 1.0
    assert "bottom-up" in result.conventions


def test_who_is_not_seen_costs(crowd: tuple[Path, Path]) -> None:
    pictures = pictures_of(crowd)
    pictures[0] = dataclasses.replace(pictures[0], people=pictures[0].people[:1])
    figures = evaluate(Oracle(pictures), *crowd, WHOLE).figures
    assert figures.oks50 == pytest.approx(5 / 6)
    assert figures.pck_total == pytest.approx(5 / 6)
    assert 0.7 < figures.ap50 < 0.9


def test_a_picture_of_nobody_found_is_scored_too(crowd: tuple[Path, Path]) -> None:
    pictures = [dataclasses.replace(p, people=()) for p in pictures_of(crowd)]
    figures = evaluate(Oracle(pictures), *crowd, WHOLE).figures
    assert (figures.ap, figures.mean_oks, figures.pck_total) == (0, 0, 0)


def test_what_cannot_be_done_on_whole_pictures(crowd: tuple[Path, Path]) -> None:
    with pytest.raises(ModelError, match="no part affinity fields"):
        evaluate(Oracle(pictures_of(crowd), fields=False), *crowd, WHOLE)
    with pytest.raises(DataError, match="--flip and --multi-scale are for crops"):
        evaluate(Oracle(pictures_of(crowd)), *crowd, EvaluationOptions(boxes="whole", flip=True))


def test_each_pose_is_given_to_one_person(crowd: tuple[Path, Path]) -> None:
    first, second = read_pictures(LabelledSet(*crowd, "val"), COCO_17)[0].people
    near = second.joints.copy()
    near[:, :2] += 1
    found = assigned([near, second.joints], [first, second], COCO_17)
    assert found[1] is not near
    assert np.array_equal(found[1], second.joints)
    only = assigned([second.joints], [first, second], COCO_17)
    assert np.isnan(only[0][:, :2]).all()
    assert only[0][:, 2].max() == 0
    assert len(assigned([], [first], COCO_17)) == 1


class Boxes(Detector):
    """A detector that gives the boxes of the labelled people, and one of nobody."""

    def __init__(self, pictures: list[Picture], stray: float) -> None:
        self.boxes = {read_image(p.path).tobytes(): np.stack([q.box for q in p.people]) for p in pictures}
        self.stray = stray
        self.spec = cast(DetectorSpec, SimpleNamespace(name="known boxes"))

    def find(self, image: ImageArray, limit: int = 30, threshold: float | None = None) -> tuple[FloatArray, FloatArray]:
        found = np.concatenate([self.boxes[image.tobytes()], np.array([[0, 0, 20, 30]], np.float32)])
        scores = np.array([0.9] * (len(found) - 1) + [self.stray], np.float32)
        assert limit >= 30
        return found, scores


class TopDown(Oracle):
    """Finds the joints of the labelled person whose padded box a crop shows."""

    def __init__(self, pictures: list[Picture]) -> None:
        super().__init__([])
        self.spec = dataclasses.replace(SPEC, family="hourglass", skeleton=COCO_17)
        self.crops = {}
        for picture in pictures:
            image = read_image(picture.path)
            for person in picture.people:
                affine = transform.crop_affine(transform.fit_aspect(person.box, INPUT, 1.25), INPUT)
                joints = person.joints.copy()
                joints[:, :2], joints[:, 2] = transform.apply(affine, joints[:, :2]), 0.9
                self.crops[transform.crop(image, affine, INPUT).tobytes()] = joints

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        nobody = np.zeros((17, 3), np.float32)
        return Output(np.stack([self.crops.get(crop.tobytes(), nobody) for crop in crops]))


def test_boxes_of_the_detector_are_used(crowd: tuple[Path, Path]) -> None:
    pictures = read_pictures(LabelledSet(*crowd, "val"), COCO_17)
    sure = evaluate(TopDown(pictures), *crowd, EvaluationOptions(boxes="detect"), Boxes(pictures, 0.1))
    assert sure.figures.ap == pytest.approx(1.0)
    assert sure.figures.mean_oks == pytest.approx(1.0, abs=1e-3)
    assert "boxes of known boxes for AP and AR, annotated boxes for the rest" in sure.conventions
    # Poses of nobody cost when they come first; here they have no score of their own.
    missing = [dataclasses.replace(p, people=p.people[:1]) for p in pictures]
    half = evaluate(TopDown(pictures), *crowd, EvaluationOptions(boxes="detect"), Boxes(missing, 0.1)).figures
    assert half.ap == pytest.approx(0.5, abs=0.01)
    assert half.mean_oks == sure.figures.mean_oks  # from annotated boxes


def test_people_who_are_not_labelled_do_not_disturb(crowd: tuple[Path, Path]) -> None:
    add(crowd[0], 1, (150, 10, 20, 30))
    pictures = pictures_of(crowd)
    assert evaluate(Oracle(pictures), *crowd, WHOLE).figures.ap == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_drawn_crowd_is_learnt_by_heart(tmp_path: Path) -> None:
    path = draw_crowd(tmp_path, pictures=2)
    recipe = Recipe(
        name="tiny-crowd",
        family="openpose",
        net=lambda: StackedHourglass(2, OPENPOSE_18.k + 1 + 2 * len(OPENPOSE_18.limbs), features=32, stem=16, order=2),
        phases=(Phase(INPUT, 1.0),),
        paper="none",
        skeleton=OPENPOSE_18,
        sigma_px=1.5,
        mapping="centre",
        augment=STILL,
        task="bottom-up",
        scenes=Scenes(grids=((1, 1, 1.0),), group_p=0, fitted_p=1, flip_p=0, rotation_p=0),
        background=True,
        fields=True,
        limb_width_px=1.5,
        epochs=160,
        batch=2,
        lr=6e-3,
        warmup_steps=5,
        ema=0.9,
        clip_norm=0,
    )
    task = task_of(recipe)
    pictures = task.read(LabelledSet(path, tmp_path / "images", "train"), 5)
    losses = [p.loss for p in train(recipe, pictures, tmp_path / "run", Options(workers=0))]
    net = recipe.net().eval()
    net.load_state_dict(checkpoint.read(tmp_path / "run" / "last.pt").ema)
    score = task.validate(net, pictures, torch.device("cpu"), 0)
    assert score.figures["recall"] == 1.0, f"{score.figures}, loss {losses[0]:.5f} → {losses[-1]:.5f}"
    assert score.figures["mean_oks"] > 0.85
    assert score.pictures()["poses"].shape == (128, 2 * 192, 3)
