"""A model is scored on the joints that it shares with a set, by the set's own measure."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import draw_set
from mpii_files import write_mpii
from scipy.io import savemat

from poseapp.core import transform
from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.spec import ModelSpec, Source
from poseapp.core.types import ImageArray
from poseapp.engine.base import Backend, Output
from poseapp.train.data.annotations import BOX_PADDING, Person
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.eval.contact_sheets import contact_sheet
from poseapp.train.eval.evaluate import EvaluationOptions, evaluate
from poseapp.train.eval.evaluation_set import Scored


class Knowing:
    """An engine that is told the truth, person by person, in the joints of *skeleton*; *off_px* away in *wrong* joints."""

    backend = Backend("none", "CPU", "FP32")

    def __init__(self, skeleton: Skeleton, people: list[Person], wrong: str = "", off_px: float = 0) -> None:
        source = Source("none", "none", "none")
        self.spec = ModelSpec(
            name="knowing", family="hourglass", skeleton=skeleton, input_hw=(64, 64), stride=4, decode="dark", mapping="udp",
            sigma_px=1.5, weights_sha256="0" * 64, parameters=1, macs=1, source=source, metrics={}, variants={},
        )  # fmt: skip
        self.people, self.wrong, self.off_px = iter(people), wrong, off_px

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        person = next(self.people)
        joints = person.joints.copy()
        joints[[name == self.wrong for name in self.spec.skeleton.keypoints], 0] += self.off_px
        affine = transform.crop_affine(transform.fit_aspect(person.box, (64, 64), BOX_PADDING), (64, 64))
        joints[:, :2] = transform.apply(affine, joints[:, :2].astype(np.float64))
        return Output(np.nan_to_num(joints)[None])

    def close(self) -> None:
        pass


def drawn(folder: Path) -> LabelledSet:
    return LabelledSet(draw_set(folder), folder / "images", "val")


def test_a_model_of_mpii_s_joints_is_scored_on_coco_s(tmp_path: Path) -> None:
    part = drawn(tmp_path)
    engine = Knowing(MPII_16, part.read(MPII_16, 1))
    result = evaluate(engine, part.annotations, part.images)
    figures = json.loads(result.figures.to_json())
    assert figures["mean_oks"] == pytest.approx(1, abs=1e-4)
    assert (figures["ap"], figures["ar"], figures["pck_total"], figures["people"]) == (1, 1, 1, 8)
    assert figures["pckh_total"] == 1  # heads are measured by the set's labels, also of joints that are not asked for
    assert list(figures["pck_by_joint"]) == list(COCO_17.keypoints)
    assert list(figures["pck_by_joint"].values()) == [None] * 5 + [1] * 12
    said = result.conventions
    assert "the 12 joints that the model (mpii-16) shares with the set (coco-17)" in said
    assert contact_sheet(result, 8).shape[0] == 2 * 260


def test_a_joint_that_is_wrong_costs_its_share_of_the_shared_ones(tmp_path: Path) -> None:
    part = drawn(tmp_path)
    result = evaluate(Knowing(LSP_14, part.read(LSP_14, 1), "left_wrist", 200), part.annotations, part.images)
    assert result.figures.mean_oks == pytest.approx(11 / 12, abs=1e-4)
    assert result.figures.pck_total == pytest.approx(11 / 12)
    assert result.figures.pck_by_joint["left_wrist"] == 0
    assert result.figures.ap == pytest.approx(0.9)  # 0.917 passes nine of the ten thresholds


def test_a_model_with_more_joints_has_coco_s_own_ap(tmp_path: Path) -> None:
    part = drawn(tmp_path)
    people = part.read(OPENPOSE_18, 1)
    result = evaluate(Knowing(OPENPOSE_18, people, "nose", 3), part.annotations, part.images)
    same = evaluate(Knowing(COCO_17, part.read(COCO_17, 1), "nose", 3), part.annotations, part.images)
    assert result.scored.whole
    assert result.figures.mean_oks == pytest.approx(same.figures.mean_oks, abs=1e-6)
    assert (result.figures.ap, result.ap_medium) == (same.figures.ap, same.ap_medium)


def test_mpii_s_pckh_is_by_head_boxes_and_without_the_trunk(tmp_path: Path) -> None:
    annotations = write_mpii(tmp_path)
    part = LabelledSet(annotations, tmp_path / "images", "val")
    people = part.read(MPII_16, 1)
    assert [p.head_px for p in people] == pytest.approx([30])

    def pckh(wrong: str, off_px: float) -> float | None:
        return evaluate(Knowing(MPII_16, people, wrong, off_px), annotations, part.images).figures.pckh_total

    assert pckh("left_wrist", 14.9) == 1
    assert pckh("left_wrist", 15.1) == pytest.approx(13 / 14)
    assert pckh("pelvis", 50) == 1
    engine = Knowing(COCO_17, part.read(COCO_17, 1))
    result = evaluate(engine, annotations, part.images)
    assert result.figures.pckh_total == 1
    assert "PCKh@0.5 of 0.6 × the head box's diagonal, without pelvis and thorax" in result.conventions
    with pytest.raises(DataError, match=r"boxes of a file need annotations in COCO's format"):
        evaluate(Knowing(MPII_16, people), annotations, part.images, EvaluationOptions(boxes="boxes.json"))


def test_lsp_is_scored_on_its_second_half(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).uniform(10, 90, (3, 14, 1003)).round()
    labels[2] = 0
    savemat(tmp_path / "joints.mat", {"joints": labels})
    for number in range(1001, 1004):
        (tmp_path / f"im{number:04d}.jpg").write_bytes(_picture())
    people = LabelledSet(tmp_path / "joints.mat", tmp_path, "val").read(LSP_14, 1)
    result = evaluate(Knowing(LSP_14, people), tmp_path / "joints.mat", tmp_path)
    assert (result.figures.pck_total, result.figures.people) == (1, 3)
    assert result.figures.pck_by_joint["head_top"] == 1


def _picture() -> bytes:
    import cv2

    return cv2.imencode(".jpg", np.full((100, 100, 3), 90, np.uint8))[1].tobytes()


def test_nothing_shared_is_an_error(tmp_path: Path) -> None:
    face = draw_set(tmp_path, names=COCO_17.keypoints[:5])
    people = [dataclasses.replace(p, joints=np.zeros((16, 3), np.float32)) for p in drawn(tmp_path / "other").read(MPII_16, 1)]
    with pytest.raises(DataError, match=r"person_keypoints_train\.json: no"):
        evaluate(Knowing(MPII_16, people), face, tmp_path / "images")


def test_the_shared_joints_go_to_their_places() -> None:
    scored = Scored.of(COCO_17, LSP_14)
    joints = np.column_stack([np.arange(14), np.arange(14), np.ones(14)]).astype(np.float32)
    placed = scored.predicted(joints)
    assert np.isnan(placed[:5, :2]).all()
    assert (placed[:5, 2] == 0).all()
    assert placed[COCO_17.index("left_ankle")].tolist() == [5, 5, 1]


@pytest.mark.timeout(240)
def test_without_pycocotools_one_line_says_what_to_install(tmp_path: Path) -> None:
    annotations = draw_set(tmp_path)
    code = (
        "import sys; sys.modules['pycocotools'] = None; sys.modules['torch'] = None\n"
        "from poseapp.cli.main import main; sys.exit(main())"
    )
    line = ["eval", "--model", "hourglass-s", "--annotations", str(annotations), "--images", str(tmp_path / "images")]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pycocotools is not installed. Install it with: pip install "poseapp[train]"' in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
