"""Planted swaps and misplaced labels are found, mended and counted less; what is right stays as it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import STILL, Small, draw_set, tiny_recipe
from typer.testing import CliRunner

from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray
from poseapp.train.data import relabel
from poseapp.train.data.annotations import Person, read_coco
from poseapp.train.data.crop_dataset import CropDataset
from poseapp.train.data.relabel import JointFinder, Rule, cleaned, fold_of, judge, without_fold
from poseapp.train.data.targets import target_of
from poseapp.train.loop import Options, train
from poseapp.train.recipes import RECIPES

WRIST, ELBOW = (9, 10), (7, 8)


@pytest.fixture
def true(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A file of 24 drawn people, and its pictures."""
    path = draw_set(tmp_path, people=24)
    return json.loads(path.read_text()), tmp_path / "images"


def labels_of(entry: dict[str, Any]) -> FloatArray:
    return np.asarray(entry["keypoints"], np.float32).reshape(-1, 3)


def knowing(content: dict[str, Any], score: float = 0.9, seed: int = 0) -> JointFinder:
    """Finds everybody's true joints, a little beside."""
    at = {entry["id"]: labels_of(entry)[:, :2].copy() for entry in content["annotations"]}
    random = np.random.default_rng(seed)

    def look(person: Person) -> FloatArray:
        xy = at[person.annotation_id] + random.normal(0, 0.3, (17, 2))
        return np.column_stack([xy, np.full(17, score)]).astype(np.float32)

    return look


def plant(content: dict[str, Any]) -> dict[str, Any]:
    """Wrists swapped in 1, the whole body in 2, an elbow far off in 3, the nose not labelled in 4."""
    out: dict[str, Any] = json.loads(json.dumps(content))
    labels = {n: labels_of(out["annotations"][n - 1]) for n in (1, 2, 3, 4)}
    labels[1][list(WRIST)] = labels[1][list(WRIST[::-1])]
    labels[2][:] = labels[2][COCO_17.flip_index]
    labels[3][ELBOW[0], :2] += 40
    labels[4][0] = 0
    for n, value in labels.items():
        out["annotations"][n - 1]["keypoints"] = value.ravel().tolist()
    return out


def test_planted_errors_are_found_and_mended(true: tuple[dict[str, Any], Path]) -> None:
    content, images = true
    wrong = plant(content)
    better, findings, filled = cleaned(wrong, images, COCO_17, [knowing(content)])
    swaps = [f for f in findings if f.kind == "swap"]
    assert findings[: len(swaps)] == swaps  # first
    assert ("left_wrist", "right_wrist") in {f.joints for f in swaps if f.annotation_id == 1}
    assert len([f for f in swaps if f.annotation_id == 1]) == 1
    # Eyes and ears are closer together than what tells them apart for sure; limbs are not.
    limbs = {f.joints[0] for f in swaps if f.annotation_id == 2}
    assert {f"left_{name}" for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")} <= limbs
    assert [(f.annotation_id, f.joints) for f in findings if f.kind == "far"] == [(3, ("left_elbow",))]
    assert filled == 0
    for n, (mine, correct) in enumerate(zip(better["annotations"], content["annotations"], strict=True), 1):
        weights = mine["keypoint_weights"]
        if n == 3:
            assert weights[ELBOW[0]] == 0.1
            assert sum(weights) == pytest.approx(16.1)
        elif n == 4:
            assert labels_of(mine)[0].tolist() == [0, 0, 0]
        else:
            assert np.abs(labels_of(mine) - labels_of(correct))[5:].max() < 0.01
            assert min(weights) == (0.7 if n <= 2 else 1.0)
    assert wrong["annotations"][0].get("keypoint_weights") is None  # what was given stays as it was


def test_a_network_that_is_not_sure_contradicts_nothing(true: tuple[dict[str, Any], Path]) -> None:
    content, images = true
    wrong = plant(content)
    better, findings, _ = cleaned(wrong, images, COCO_17, [knowing(content, score=0.3)])
    assert findings == []
    for mine, given in zip(better["annotations"], wrong["annotations"], strict=True):
        assert np.array_equal(labels_of(mine), labels_of(given))


def test_what_nobody_labelled_is_filled_in_when_asked_for(true: tuple[dict[str, Any], Path]) -> None:
    content, images = true
    wrong = plant(content)
    better, _, filled = cleaned(wrong, images, COCO_17, [knowing(content)], Rule(fill=0.8))
    assert filled == 1
    entry = better["annotations"][3]
    assert np.abs(labels_of(entry)[0, :2] - labels_of(content["annotations"][3])[0, :2]).max() < 2
    assert (labels_of(entry)[0, 2], entry["keypoint_weights"][0], entry["num_keypoints"]) == (1, 0.3, 17)


def test_each_is_judged_by_the_network_that_has_not_seen_them(true: tuple[dict[str, Any], Path]) -> None:
    content, images = true
    requested: list[tuple[int, int]] = []

    def judge_of(fold: int) -> JointFinder:
        look = knowing(content)

        def asking(person: Person) -> FloatArray:
            requested.append((person.image_id, fold))
            return look(person)

        return asking

    cleaned(content, images, COCO_17, [judge_of(0), judge_of(1), judge_of(2)])
    assert len(requested) == 24
    for fold in range(3):
        seen = {image["id"] for image in without_fold(content, fold, 3)["images"]}
        judged = {image for image, by in requested if by == fold}
        assert len(judged) == 8
        assert not judged & seen
        assert judged | seen == set(range(1, 25))
        assert {e["image_id"] for e in without_fold(content, fold, 3)["annotations"]} == seen
    assert fold_of(7, 3) == 1


def test_a_swap_of_two_joints_in_one_place_is_none() -> None:
    joints = np.column_stack([np.tile([[50.0, 50.0]], (17, 1)), np.full(17, 2)]).astype(np.float32)
    person = Person(1, 1, Path(), np.array([0, 0, 100, 100], np.float32), joints, 5000.0)
    found = joints.copy()
    found[:, 2] = 0.9
    assert judge(person, found, COCO_17).findings == ()


def test_a_training_counts_each_label_as_the_file_says(true: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    content, images = true
    better, _, _ = cleaned(plant(content), images, COCO_17, [knowing(content)])
    path = tmp_path / "cleaned.json"
    path.write_text(json.dumps(better))
    people = read_coco(path, images, COCO_17)
    recipe = tiny_recipe(augment=STILL)
    _, _, weight = CropDataset(people, COCO_17, target_of(recipe, (64, 64)), STILL)[0, 2]
    assert weight[ELBOW[0]] == pytest.approx(0.1)
    assert weight.sum() == pytest.approx(16.1)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = draw_set(tmp_path / "set")
    content = json.loads(annotations.read_text())
    done = CliRunner().invoke(relabel.app, ["split", "--annotations", str(annotations), "--out", str(tmp_path / "folds")])
    assert done.exit_code == 0, done.output
    parts = sorted((tmp_path / "folds").iterdir())
    assert [p.name for p in parts] == [f"person_keypoints_train-without-{fold}.json" for fold in (0, 1)]
    recipe = tiny_recipe(net=Small, batch=4, epochs=1)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    for fold, part in enumerate(parts):
        people = read_coco(part, tmp_path / "set" / "images", COCO_17)
        assert len(people) == 4
        list(train(recipe, people, tmp_path / f"run-{fold}", Options(workers=0)))
    given = ["--annotations", str(annotations), "--images", str(tmp_path / "set" / "images"), "--out", str(tmp_path / "out.json")]
    models = [part for fold in (0, 1) for part in ("--model", str(tmp_path / f"run-{fold}" / "last.pt"))]
    for sure, expected in (("0.99", 1.0), ("0", 0.1)):  # a network that knows nothing: unheard, and heard
        line = ["clean", *given, *models, "--sure", sure, "--findings", str(tmp_path / "findings.csv")]
        done = CliRunner().invoke(relabel.app, line)
        assert done.exit_code == 0, done.output
        weights = [entry["keypoint_weights"] for entry in json.loads((tmp_path / "out.json").read_text())["annotations"]]
        assert np.median(weights) == expected
        with (tmp_path / "findings.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert (len(rows) > 50) == (sure == "0")
    assert json.loads(annotations.read_text()) == content


def test_a_picture_that_cannot_be_read_keeps_its_labels(true: tuple[dict[str, Any], Path]) -> None:
    content, images = true
    look = knowing(content)

    def judge(person: Person) -> FloatArray:
        if person.image_id == 2:
            raise DataError("2.png: not a readable picture.")
        return look(person)

    better, _, _ = cleaned(content, images, COCO_17, [judge])
    assert [entry["image_id"] for entry in better["annotations"] if "keypoint_weights" not in entry] == [2]
    with pytest.raises(DataError, match=r'relabel: not a COCO keypoint file \(expected a list "images", got None\)\.$'):
        without_fold({}, 0, 2)
