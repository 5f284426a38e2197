"""From a training to a model in the store, and its figures in the engine that the app uses."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from drawn import draw_set, tiny_recipe
from typer.testing import CliRunner

from poseapp.cli.main import app
from poseapp.convert.card import About
from poseapp.convert.checkpoints import read_content
from poseapp.core import transform
from poseapp.core.errors import CheckpointError, DataError, ModelError
from poseapp.core.skeleton import COCO_17
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, Output
from poseapp.engine.load import load_engine
from poseapp.nets.hourglass import StackedHourglass
from poseapp.train import checkpoint
from poseapp.train.data.annotations import read_coco
from poseapp.train.data.coco import read_annotations
from poseapp.train.distil import load_teacher
from poseapp.train.eval.contact_sheets import contact_sheet
from poseapp.train.eval.detections import Box, drop_doubles, read_boxes
from poseapp.train.eval.evaluate import EvaluationOptions, evaluate
from poseapp.train.eval.figures import Figures
from poseapp.train.eval.predictor import PersonPredictor
from poseapp.train.loop import Options, train
from poseapp.train.recipes import RECIPES

KEYS = [
    "ap",
    "ap50",
    "ap75",
    "ar",
    "mean_oks",
    "oks50",
    "oks75",
    "pck_total",
    "pck_by_joint",
    "pckh_total",
    "ms_per_person",
    "people",
]
ABOUT = """# About

## Data

Drawn people.

## Licence

MIT

## What was tried

Nothing else.

## Known limits

Knows eight people.

## Speed

Slow.
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawn set (set/), a short run (run/) and the model exported from it (engines/tiny)."""
    folder = tmp_path_factory.mktemp("trained")
    annotations = draw_set(folder / "set")
    recipe = tiny_recipe(epochs=25)
    people = read_coco(annotations, annotations.parent / "images", COCO_17)
    results = [p.validation for p in train(recipe, people, folder / "run", Options(workers=0), validation=people)]
    (folder / "about.md").write_text(ABOUT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, recipe.name, recipe)
        done = CliRunner().invoke(
            app,
            ["export", str(folder / "run"), "--name", "tiny", "--about", str(folder / "about.md"), "--engines-dir",
             str(folder / "engines"), "--annotations", str(annotations), "--images", str(folder / "set" / "images")],
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    last = results[-1]
    assert last is not None
    (folder / "validated.json").write_text(json.dumps([last.figures["mean_oks"], last.figures["pck"]]))
    return folder


def evaluation_line(folder: Path, *more: str) -> list[str]:
    given = ["--annotations", str(folder / "set" / "person_keypoints_train.json"), "--images", str(folder / "set" / "images")]
    return ["eval", "--model", "tiny", "--engines-dir", str(folder / "engines"), *given, *more]


def test_the_exported_model_scores_what_the_training_measured(trained: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, evaluation_line(trained, "--json", str(tmp_path / "out.json")))
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert list(figures) == KEYS
    mean_oks, pck = json.loads((trained / "validated.json").read_text())
    assert figures["mean_oks"] == pytest.approx(mean_oks, abs=1e-3)
    assert figures["pck_total"] == pytest.approx(pck, abs=0.01)
    assert figures["people"] == 8
    assert list(figures["pck_by_joint"]) == list(COCO_17.keypoints)
    assert 0.2 < figures["mean_oks"] < 1
    assert "padding 1.25" in done.output


def test_the_card_and_the_spec_carry_the_figures(trained: Path) -> None:
    spec = ModelSpec.read(trained / "engines" / "tiny" / "model.json")
    assert (spec.name, spec.family, spec.input_hw) == ("tiny", "hourglass", (64, 64))
    assert (spec.source.data, spec.source.licence) == ("Drawn people.", "MIT")
    assert spec.metrics["people"] == 8
    card = (trained / "engines" / "tiny" / "README.md").read_text(encoding="utf-8")
    for text in (
        "## What was tried\n\nNothing else.\n\n## Speed\n\nSlow.\n\n## Known limits\n\nKnows eight people.\n\n## How it",
        "Data, Licence, What was tried, Speed and Known limits",
        "poseapp eval --model tiny --annotations",
        f"{spec.metrics['mean_oks']:.3f}",
        "left ankle",
    ):
        assert text in card
    assert "Preliminary" not in card


def test_what_cannot_be_said_is_null_in_the_json_file() -> None:
    none = math.nan  # AP without COCO's joints
    figures = Figures(none, none, none, none, 0.5, 0.5, 0.5, 0.5, {"head_top": None}, None, 1.0, 3)
    read = json.loads(figures.to_json(), parse_constant=pytest.fail)
    assert list(read) == KEYS
    assert [read[key] for key in ("ap", "ap50", "ap75", "ar", "mean_oks", "people")] == [None] * 4 + [0.5, 3]


def test_the_last_network_and_not_the_average_would_differ(trained: Path) -> None:
    state = checkpoint.read(trained / "run" / "last.pt")
    assert not np.allclose(state.net["stem_conv.weight"], state.ema["stem_conv.weight"], atol=1e-4)


def test_evaluation_needs_no_torch(trained: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from poseapp.cli.main import app; from poseapp.core.errors import PoseAppError\n"
        "try: app(sys.argv[1:], standalone_mode=False)\n"
        "except PoseAppError as error: print('one line:', error)\n"
    )
    needed = 'one line: training needs PyTorch, which is not installed. Install it with: pip install "poseapp[train]"'
    for arguments, expected in (
        (evaluation_line(trained), "mean OKS"),
        (["train", "hourglass-s", "--data", str(trained / "set")], needed),
        (["train", "--check", "--data", str(trained / "set")], "nothing to complain about"),
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert expected in done.stdout, done.stderr


def test_wrong_use_ends_in_one_line(trained: Path, tmp_path: Path) -> None:
    def message(*arguments: str) -> str:
        error = CliRunner().invoke(app, list(arguments)).exception
        assert isinstance(error, (DataError, ModelError, CheckpointError)), error
        assert "\n" not in str(error)
        return str(error)

    assert "There are: tiny" in message(*[a.replace("tiny", "huge") if a == "tiny" else a for a in evaluation_line(trained)])
    assert "there is none of that name" in message("train", "hourglas", "--data", str(trained / "set"))
    assert "no data" in message("train", "hourglass-s")
    assert "holds a run already" in message("train", "hourglass-s", "--data", str(trained / "set"), "--out", str(trained / "run"))
    assert "last.pt: not found" in message("export", str(tmp_path))
    assert "about.md: cannot be read" in message("export", str(trained / "run"), "--about", str(tmp_path / "none" / "about.md"))
    assert "unknown recipe 'tiny-hourglass'" in message(
        "export", str(trained / "run"), "--about", str(trained / "about.md"), "--engines-dir", str(tmp_path)
    )
    assert "--annotations and --images go together" in message("export", str(tmp_path), "--images", "x")
    assert "--boxes track: takes no --flip, --scores" in message(
        *evaluation_line(trained, "--boxes", "track", "--flip", "--scores", str(tmp_path / "scores.png"))
    )
    (tmp_path / "is-a-file").write_text("")
    out = str(tmp_path / "is-a-file" / "figures.json")
    assert "cannot be written" in message(*evaluation_line(trained, "--limit", "1", "--json", out))
    (tmp_path / "about.md").write_text("## Data\n\nx\n## Licence\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no section '## Licence'"):
        About.read(tmp_path / "about.md")


def test_the_worst_are_shown_side_by_side(trained: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, evaluation_line(trained, "--sheet", str(tmp_path / "worst.png")))
    assert done.exit_code == 0, done.output
    sheet = cv2.imread(str(tmp_path / "worst.png"))
    assert sheet is not None
    assert sheet.shape == (2 * 260, 5 * 388, 3)  # eight people in two rows of five


class Truthful:
    """An engine that knows where the joints are: it finds the dots that the figures are drawn with."""

    backend = Backend("none", "CPU", "FP32")

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.seen: list[ImageArray] = []

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        h, w = self.spec.heatmap_hw
        k = self.spec.skeleton.k
        self.seen.append(crops)
        maps = np.zeros((len(crops), k, h, w), np.float32)
        for n, crop in enumerate(crops):
            brightest = np.unravel_index(crop.sum(axis=2).argmax(), crop.shape[:2])
            y, x = (round(float(v) * (s - 1) / (c - 1)) for v, s, c in zip(brightest, (h, w), crop.shape[:2], strict=True))
            side = 0 if n == 0 else 1  # the mirrored picture shows the left joints on the right
            maps[n, 5 + side, y, x] = 1.0
        keypoints: FloatArray = np.zeros((len(crops), k, 3), np.float32)
        return Output(keypoints, maps)

    def close(self) -> None:
        pass


def test_the_flip_test_averages_both_views_on_the_same_spot(trained: Path, tmp_path: Path) -> None:
    spec = dataclasses.replace(ModelSpec.read(trained / "engines" / "tiny" / "model.json"), decode="argmax")
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20, 12] = 255
    cv2.imwrite(str(tmp_path / "dot.png"), picture)
    engine = Truthful(spec)
    joints = PersonPredictor(engine, flip=True)(tmp_path / "dot.png", transform.whole_box((64, 64)))
    assert np.array_equal(engine.seen[0][1], engine.seen[0][0][:, ::-1])
    left_shoulder = joints[5]
    assert left_shoulder[2] == pytest.approx(1.0)  # both views agree: their mean is a full peak
    assert np.abs(left_shoulder[:2] - (12, 20)).max() <= 63 / 15 / 2


def test_boxes_from_a_detector_decide_ap_and_doubles_are_dropped(trained: Path, tmp_path: Path) -> None:
    annotations, images = trained / "set" / "person_keypoints_train.json", trained / "set" / "images"
    truth = json.loads(annotations.read_text())["annotations"]
    found = [{"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.9} for a in truth]
    doubled = found + [{**box, "score": 0.5} for box in found]
    (tmp_path / "boxes.json").write_text(json.dumps(doubled))
    engine = load_engine(trained / "engines" / "tiny")
    try:
        plain = evaluate(engine, annotations, images)
        detected = evaluate(engine, annotations, images, EvaluationOptions(boxes=str(tmp_path / "boxes.json")))
    finally:
        engine.close()
    assert detected.figures.ap == pytest.approx(plain.figures.ap, abs=1e-9)
    assert detected.figures.mean_oks == plain.figures.mean_oks
    boxes = read_boxes(tmp_path / "boxes.json", read_annotations(annotations, images))
    assert len(boxes) == 16
    poses = [np.column_stack([p.joints[:, :2], np.full(17, 0.8)]).astype(np.float32) for p in plain.people] * 2
    kept, _ = drop_doubles(boxes, poses, COCO_17)
    assert [b.score for b in kept] == [0.9] * 8
    (tmp_path / "boxes.json").write_text('[{"bbox": [0, 0, 5, 5]}]')
    with pytest.raises(DataError, match=r"boxes\.json: expected a list"):
        read_boxes(tmp_path / "boxes.json", read_annotations(annotations, images))
    with pytest.raises(DataError, match="boxes: expected gt, detect, whole, track or a file, got 'detected'"):
        read_boxes(Path("detected"), read_annotations(annotations, images))


def test_the_app_s_own_search_can_be_scored(trained: Path) -> None:
    done = CliRunner().invoke(app, evaluation_line(trained, "--boxes", "detect", "--flip"))
    assert done.exit_code == 0, done.output
    assert "found as the app does" in done.output.replace("\n", " ")
    assert "flip test" in done.output


def test_a_model_of_the_store_can_teach(trained: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    student = tiny_recipe()
    teacher = load_teacher(trained / "engines" / "tiny", student, torch.device("cpu"))
    engine = load_engine(trained / "engines" / "tiny")
    expected = engine.infer(crops, heatmaps=True).heatmaps
    engine.close()
    assert expected is not None
    assert np.allclose(teacher(torch.from_numpy(crops), (16, 16)).numpy(), expected, atol=1e-6)
    # Pixel centres of the corners meet, whatever the sizes.
    small = teacher(torch.from_numpy(crops), (8, 8)).numpy()
    assert np.allclose(small[:, :, [0, 0, -1, -1], [0, -1, 0, -1]], expected[:, :, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-5)
    with pytest.raises(CheckpointError, match="expected openpose-18 joints"):
        load_teacher(trained / "engines" / "tiny", tiny_recipe("openpose"), torch.device("cpu"))


def test_a_model_that_nobody_described_says_so(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny-hourglass", tiny_recipe(epochs=25))
    line = ["export", str(trained / "run"), "--name", "mine", "--engines-dir", str(tmp_path)]
    reads: list[object] = []

    def counted(path: Path) -> Any:
        reads.append(path)
        return read_content(path)

    monkeypatch.setattr(checkpoint, "read_content", counted)
    done = CliRunner().invoke(app, [*line, "--fp16"])
    assert done.exit_code == 0, done.output
    assert reads == [trained / "run" / "last.pt"], "once, though network, card and command line need it"
    whole, half = (tmp_path / "mine" / name for name in ("model.onnx", "model.fp16.onnx"))
    assert half.stat().st_size < whole.stat().st_size
    before = whole.read_bytes()
    with pytest.raises(ModelError, match="exists already"):
        CliRunner().invoke(app, line, catch_exceptions=False)
    assert whole.read_bytes() == before
    assert CliRunner().invoke(app, [*line, "--replace"]).exit_code == 0
    assert not half.exists()  # it would be of an older training
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert card.count("Not stated. Write it into about.md") == 3
    assert "## What was tried" not in card
    assert "Not measured." in card
    load_engine(tmp_path / "mine").close()


def test_several_scales_of_a_crop_agree_with_one(trained: Path) -> None:
    engine = load_engine(trained / "engines" / "tiny")
    try:
        annotations, images = trained / "set" / "person_keypoints_train.json", trained / "set" / "images"
        one = evaluate(engine, annotations, images)
        several = evaluate(engine, annotations, images, EvaluationOptions(scales=(0.95, 1.0, 1.05)))
    finally:
        engine.close()
    assert several.figures.pck_total == pytest.approx(one.figures.pck_total, abs=0.1)
    assert several.figures.mean_oks != one.figures.mean_oks  # it did something
    done = CliRunner().invoke(app, evaluation_line(trained, "--multi-scale", "--limit", "2"))
    assert done.exit_code == 0, done.output
    assert "mean of 5 scales" in " ".join(done.output.split())


def test_a_model_stays_as_it_is_until_its_successor_is_measured(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(epochs=25)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    shutil.copytree(trained / "engines", tmp_path / "store")
    folder = tmp_path / "store" / "tiny"
    (folder / "model.fp16.onnx").write_bytes(b"of older weights")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    line = ["export", str(trained / "run"), "--name", "tiny", "--replace", "--engines-dir", str(tmp_path / "store")]
    wrong = CliRunner().invoke(app, [*line, "--annotations", str(tmp_path / "none.json"), "--images", str(tmp_path)])
    assert isinstance(wrong.exception, DataError)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["tiny"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after["about.md"] == before["about.md"] == ABOUT.encode()
    assert b"Knows eight people." in after["README.md"]
    assert "model.fp16.onnx" not in after
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["tiny"]


def test_nobody_to_show_makes_an_empty_sheet(trained: Path) -> None:
    engine = load_engine(trained / "engines" / "tiny")
    try:
        annotations, images = trained / "set" / "person_keypoints_train.json", trained / "set" / "images"
        result = evaluate(engine, annotations, images, EvaluationOptions(limit=2))
    finally:
        engine.close()
    assert result.figures.people == 2
    assert contact_sheet(result, worst=0).shape == (260, 5 * 388, 3)
    assert isinstance(Box(1, Path("x"), np.zeros(4)).score, float)


def test_nothing_but_a_model_is_ever_replaced(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(epochs=25)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    store = tmp_path / "store"
    photos = store / "photos"
    photos.mkdir(parents=True)
    (photos / "summer.jpg").write_text("dear")
    (store / "tiny").mkdir()
    shutil.copy(trained / "run" / "last.pt", store / "tiny" / "weights.pt")
    (store / "tiny" / "model.json").write_text("{}")

    def refused(source: Path, name: str, *more: str) -> str:
        error = CliRunner().invoke(app, ["export", str(source), "--name", name, "--engines-dir", str(store), *more]).exception
        assert isinstance(error, ModelError), error
        return str(error)

    run = trained / "run"
    for name in (".", "../store", str(photos)):
        assert "--name: expected letters" in refused(run, name, "--replace")
    assert "exists already" in refused(run, "photos")
    assert "is not a model, and would be lost" in refused(run, "photos", "--replace")
    assert "is in the folder of the model that it would replace" in refused(store / "tiny" / "weights.pt", "tiny", "--replace")
    assert (photos / "summer.jpg").read_text() == "dear"
    assert (store / "tiny" / "weights.pt").is_file()


def test_a_checkpoint_of_another_network_says_what_differs(
    trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tiny_recipe(epochs=25, net=lambda: StackedHourglass(3, 17, features=32, stem=16, order=2))
    monkeypatch.setitem(RECIPES, other.name, other)
    with pytest.raises(CheckpointError, match=r"weights differ, \S+ first\. The recipe may have changed") as caught:
        checkpoint.read_network(trained / "run" / "last.pt")
    assert "\n" not in str(caught.value)


def test_files_of_other_makers_get_the_same_figures(trained: Path, tmp_path: Path) -> None:
    annotations, images = trained / "set" / "person_keypoints_train.json", trained / "set" / "images"
    content = json.loads(annotations.read_text())
    for entry in content["annotations"]:
        del entry["area"], entry["num_keypoints"], entry["iscrowd"]
        entry["category_id"] = 7
    content["categories"][0]["id"] = 7
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    engine = load_engine(trained / "engines" / "tiny")
    try:
        ours = evaluate(engine, annotations, images).figures
        theirs = evaluate(engine, tmp_path / "theirs.json", images).figures
    finally:
        engine.close()
    assert ours.ap > 0.1
    assert theirs.ap == pytest.approx(ours.ap, abs=0.02)  # areas are rounded in one of the two
    assert theirs.ar == pytest.approx(ours.ar, abs=0.02)


def test_who_is_found_where_nobody_is_counts_against_the_model(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "set", tmp_path / "set")
    annotations, images = tmp_path / "set" / "person_keypoints_train.json", tmp_path / "set" / "images"
    content = json.loads(annotations.read_text())
    for n in range(9, 25):  # the same people, but their labels are left out
        shutil.copy(images / f"{1 + n % 8}.png", images / f"{n}.png")
        content["images"].append({"id": n, "file_name": f"{n}.png", "width": 96, "height": 96})
    engine = load_engine(trained / "engines" / "tiny")
    try:
        alone = evaluate(engine, annotations, images, EvaluationOptions(boxes="detect")).figures
        annotations.write_text(json.dumps(content))
        among_others = evaluate(engine, annotations, images, EvaluationOptions(boxes="detect")).figures
        some = [{"image_id": n, "category_id": 1, "bbox": [18, 18, 60, 60], "score": 0.9} for n in range(1, 25)]
        (tmp_path / "boxes.json").write_text(json.dumps(some))
        steps: list[tuple[int, int]] = []
        two = EvaluationOptions(boxes=str(tmp_path / "boxes.json"), limit=2)
        evaluate(engine, annotations, images, two, on_person=lambda *at: steps.append(at))
    finally:
        engine.close()
    assert 0 < among_others.ap < alone.ap
    assert steps[-1] == (4, 4)  # two people, and the boxes in their pictures alone
