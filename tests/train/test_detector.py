"""The person detector from targets to the store: what is encoded is decoded, drawn people are learnt by heart and found."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from crowd import add, draw_crowd
from drawn import STILL
from torch import Tensor
from typer.testing import CliRunner

from poseapp.cli.main import app
from poseapp.convert.export import export_onnx
from poseapp.core.geometry import box_ious
from poseapp.core.skeleton import COCO_17
from poseapp.engine.detector import Detector, DetectorSpec
from poseapp.nets.blocks import count_macs
from poseapp.nets.detector import BoxDecoder, DeployDetector, PersonDetector
from poseapp.train import checkpoint
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Scenes, read_pictures
from poseapp.train.data.scene_dataset import CropPoses
from poseapp.train.loop import Options, train
from poseapp.train.recipes import RECIPES, Phase, Recipe
from poseapp.train.tasks import task_of
from poseapp.train.tasks.detection import BoxEncoder, box_loss, centres

HW = (128, 128)
PLACES = np.array([[10, 20, 30, 60], [70.3, 5.2, 40.1, 90.7], [-12, 80, 40, 60]], np.float32)


def seen(*boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[CropPoses]:
    return [CropPoses(np.zeros((17, 3), np.float32), box) for box in boxes]


def as_maps(target: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    """What a network that had learnt *target* would give."""
    maps = torch.from_numpy(target).clone()
    maps[0] = torch.logit(maps[0].clamp(1e-4, 1 - 1e-4))
    return maps[None]


def test_what_is_encoded_is_decoded() -> None:
    target, weight = BoxEncoder().encode(seen(*PLACES), (), HW)
    found = BoxDecoder(10)(as_maps(target))[0].numpy()
    found = found[found[:, 4] > 0.9]
    expected = PLACES.copy()
    expected[2] = (-0.5, 80, 28.5, 47.5)  # cut at the edges
    assert len(found) == 3
    order = np.argmax(box_ious(expected, found[:, :4]), axis=1)
    assert np.abs(found[order, :4] - expected).max() < 0.01
    assert weight[1].sum() == pytest.approx(3, abs=1e-4)
    assert float(centres(torch.from_numpy(target)[None], torch.from_numpy(weight)[None])) == 3


def test_every_cell_near_a_centre_answers_for_the_box() -> None:
    target, weight = BoxEncoder().encode(seen(np.array([20, 10, 60, 100], np.float32)), (), HW)
    near = np.argwhere(weight[1] > 0)
    assert len(near) >= 3
    for y, x in near:
        w, h = np.exp(target[1:3, y, x]) * 8
        middle = (np.array([x, y]) + target[3:, y, x] + 0.5) * 8 - 0.5
        assert (w, h, *middle) == pytest.approx((60, 100, 50, 60), abs=1e-3)


def test_nothing_is_taught_of_crowds_specks_and_feet() -> None:
    crowd, speck = np.array([40, 40, 30, 30], np.float32), np.array([100, 8, 6, 8], np.float32)
    foot = np.array([64, 112, 40, 100], np.float32)
    target, weight = BoxEncoder().encode(seen(speck, foot), [crowd], HW)
    assert target[0].max() == 0
    assert weight[1].max() == 0
    assert weight[0, 6, 6] == weight[0, 1, 12] == weight[0, 15, 9] == 0
    assert weight[0, 0, 0] == 1


def test_somebody_in_a_crowd_is_still_taught() -> None:
    person = np.array([40, 40, 30, 30], np.float32)
    _, weight = BoxEncoder().encode(seen(person), [np.array([0, 0, 128, 128], np.float32)], HW)
    assert weight[0, 6, 6] == 1
    assert weight[0, 0, 0] == 0


def test_the_loss_is_small_where_all_is_right_and_grows_with_each_mistake() -> None:
    target, weight = (torch.from_numpy(a)[None] for a in BoxEncoder().encode(seen(*PLACES), (), HW))
    maps, total = as_maps(target[0].numpy()), torch.tensor(3.0)
    right = float(box_loss(maps, target, weight, total))
    assert right < 0.5
    y, x = np.argwhere(target[0, 0].numpy() == 1)[0]
    missed, stray, wide = maps.clone(), maps.clone(), maps.clone()
    missed[0, 0, y, x] = -6
    stray[0, 0, 15, 15] = 6
    wide[0, 1] += 1.0
    assert float(box_loss(missed, target, weight, total)) == pytest.approx(right + 6 / 3, abs=0.1)
    assert float(box_loss(stray, target, weight, total)) == pytest.approx(right + 6 / 3, abs=0.1)
    assert float(box_loss(wide, target, weight, total)) == pytest.approx(right + 1, abs=0.01)
    masked = weight.clone()
    masked[0, 0, 15, 15] = 0
    assert float(box_loss(stray, target, masked, total)) == pytest.approx(right, abs=0.01)


def test_the_graph_is_the_network(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(1)
    net = PersonDetector(features=16, stem=8, order=2).eval()
    torch.nn.init.normal_(net.head.weight)
    with torch.no_grad():
        net.head.weight /= net(torch.randn(1, 3, *HW)).std()  # random layers have made their output large
    deploy = DeployDetector(net, 20).eval()
    export_onnx(deploy, HW, tmp_path / "net.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (3, *HW, 3), np.uint8)
    with torch.no_grad():
        expected = deploy(torch.from_numpy(crops)).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(["boxes"], {"crops": crops})[0]
    assert found.shape == (3, 20, 5)
    assert np.abs(found[..., 4] - expected[..., 4]).max() < 1e-4
    assert (np.diff(found[..., 4], axis=1) <= 1e-6).all()
    peaks = expected[..., 4] > 0  # below the last peak come cells of score 0, in any order
    assert peaks.sum() > 10
    assert np.abs(found - expected)[peaks].max() < 0.05


def test_the_network_is_small() -> None:
    assert count_macs(PersonDetector(), (320, 320)) < 0.3e9


def tiny(**changes: object) -> Recipe:
    recipe = Recipe(
        name="tiny-detector",
        family="hourglass",
        net=lambda: PersonDetector(features=24, stem=8, order=2),
        phases=(Phase((128, 192), 1.0),),
        paper="none",
        stride=8,
        mapping="centre",
        augment=STILL,
        task="detection",
        scenes=Scenes(grids=((1, 1, 1.0),), group_p=0, fitted_p=1, flip_p=0, rotation_p=0),
        epochs=120,
        batch=4,
        lr=4e-3,
        warmup_steps=5,
        ema=0.9,
        clip_norm=10,
    )
    return dataclasses.replace(recipe, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder beside its set: a small detector that knows four pictures by heart."""
    folder = tmp_path_factory.mktemp("detector")
    path = draw_crowd(folder)
    recipe = tiny()
    pictures = read_pictures(LabelledSet(path, folder / "images", "train"), COCO_17)
    losses = [p.loss for p in train(recipe, pictures, folder / "run", Options(workers=0))]
    assert losses[-1] < 0.2 * losses[0]
    net = recipe.net().eval()
    net.load_state_dict(checkpoint.read(folder / "run" / "last.pt").ema)
    score = task_of(recipe).validate(net, pictures, torch.device("cpu"), 0)
    assert score.figures == {"ap50": 1.0, "recall": 1.0}
    assert score.pictures()["boxes"].shape == (128, 4 * 192, 3)
    return folder


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny-detector", tiny())


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("known")
def test_learnt_by_heart_exported_measured_and_found(learnt: Path) -> None:
    (learnt / "about.md").write_text(
        "## Data\n\nDrawn figures.\n\n## Licence\n\nMIT\n\n## Known limits\n\nMany.\n", encoding="utf-8"
    )
    store = learnt / "engines"
    places = ["--annotations", str(learnt / "person_keypoints_train.json"), "--images", str(learnt / "images")]
    line = ["export", str(learnt / "run"), "--about", str(learnt / "about.md"), *places, "--engines-dir", str(store)]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    folder = store / "tiny-detector"
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "about.md", "detector.json", "model.onnx"]
    spec = DetectorSpec.read(folder / "detector.json")
    assert spec.metrics["ap50"] == spec.metrics["recall"] == spec.metrics["precision"] == 1.0
    assert spec.input_hw == (128, 192)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Drawn figures." in card
    assert "Over 8 people in 4 pictures" in card
    command = re.findall(r"```\n(poseapp eval .+)\n```", card)[0].split()[1:]
    again = CliRunner().invoke(app, [*command, "--json", str(learnt / "figures.json")])
    assert again.exit_code == 0, again.output
    figures = json.loads((learnt / "figures.json").read_text(encoding="utf-8"))
    assert figures["ap50"] == 1.0
    assert figures["people"] == 8
    detector = Detector(folder)
    picture = read_pictures(LabelledSet(learnt / "person_keypoints_train.json", learnt / "images", "train"), COCO_17)[0]
    import cv2

    image = cv2.imread(str(picture.path))
    assert image is not None
    boxes, scores = detector.find(image.astype(np.uint8))
    detector.close()
    assert len(boxes) == 2
    assert scores.min() >= spec.threshold
    assert box_ious(np.stack([p.box for p in picture.people]), boxes).max(axis=1).min() > 0.8
    refused = CliRunner().invoke(app, line)
    assert refused.exit_code == 1
    assert "exists already" in str(refused.exception)


def test_a_set_with_people_without_joints_is_scored_with_them(tmp_path: Path) -> None:
    from tiny_detector import write_detector

    from poseapp.train.eval.detector import evaluate_detector

    path = draw_crowd(tmp_path, pictures=2)
    add(path, 1, (150, 10, 20, 30))
    add(path, 2, (0, 0, 30, 40), iscrowd=1)
    detector = Detector(write_detector(tmp_path / "tiny-detector"))
    figures = evaluate_detector(detector, path, tmp_path / "images")
    assert (figures.people, figures.pictures) == (5, 2)
    assert evaluate_detector(detector, path, tmp_path / "images", limit=1).people == 3
    detector.close()
    assert json.loads(figures.to_json())["recall_large"] is None
