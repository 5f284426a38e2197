"""Metrics agree with pycocotools and with figures worked out by hand."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from poseapp.core import metrics
from poseapp.core.metrics import ERRORS, Scene
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16

coco = pytest.importorskip("pycocotools.coco", reason="pycocotools comes with the train extra")
cocoeval = pytest.importorskip("pycocotools.cocoeval")


def random_scenes(seed: int, pictures: int = 25) -> list[Scene]:
    """Crowds of people of all sizes, some unlabelled, with good, bad, doubled and made-up predictions."""
    random = np.random.default_rng(seed)
    scenes = []
    for _ in range(pictures):
        g = int(random.integers(0, 6))
        size = np.exp(random.uniform(np.log(15), np.log(300), g))
        truth = np.zeros((g, 17, 3))
        truth[..., :2] = random.uniform(0, 600, (g, 1, 2)) + random.uniform(0, 1, (g, 17, 2)) * size[:, None, None]
        truth[..., 2] = random.integers(0, 3, (g, 17)) * (random.random((g, 1)) > 0.2)
        boxes = np.concatenate([truth[..., :2].min(1), np.ptp(truth[..., :2], axis=1)], axis=1) if g else np.zeros((0, 4))
        predicted = [t[:, :2] + random.normal(0, s * random.uniform(0, 0.1), (17, 2)) for t, s in zip(truth, size, strict=True)]
        predicted += [p + random.normal(0, 3, p.shape) for p in predicted if random.random() < 0.3]
        predicted += [random.uniform(0, 600, (17, 2)) for _ in range(int(random.integers(0, 24)))]
        d = len(predicted)
        # Scores in tenths, so that ties are common; made-up ones lower, mostly.
        score = np.round(random.random(d) * np.where(np.arange(d) < 1.3 * g, 1.0, 0.6), 1) + 0.05
        scenes.append(Scene(predicted=np.reshape(predicted, (d, 17, 2)), score=score, truth=truth, area=size**2, boxes=boxes))
    return scenes


def in_coco(scenes: list[Scene]) -> Any:
    """The evaluation of *scenes* by pycocotools."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, scene in enumerate(scenes, 1):
        for truth, area, box in zip(scene.truth, scene.area, scene.boxes, strict=True):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "area": float(area),
                 "bbox": box.tolist(), "keypoints": truth.ravel().tolist(), "num_keypoints": int((truth[:, 2] > 0).sum())}
            )  # fmt: skip
        for predicted, score in zip(scene.predicted, scene.score, strict=True):
            keypoints = np.column_stack([predicted, np.ones(17)]).ravel().tolist()
            results.append({"image_id": i, "category_id": 1, "keypoints": keypoints, "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(1, len(scenes) + 1)], "annotations": annotations, "categories": [{"id": 1}],
        }  # fmt: skip
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_agrees_with_pycocotools(seed: int) -> None:
    scenes = random_scenes(seed)
    evaluation = in_coco(scenes)
    ours = metrics.average_precision(scenes, COCO_17.sigmas)
    stats = evaluation.stats
    got = [ours.ap, ours.ap50, ours.ap75, ours.ap_medium, ours.ap_large, ours.ar]
    assert got == pytest.approx([*stats[:5], stats[5]], abs=1e-9)
    assert 0.05 < ours.ap < 0.95  # the cases are neither trivial nor hopeless


def test_oks_agrees_with_pycocotools() -> None:
    scenes = random_scenes(11)
    evaluation = in_coco(scenes)
    compared = 0
    for i, scene in enumerate(scenes, 1):
        theirs = np.asarray(evaluation.ious[i, 1])
        order = np.argsort(-scene.score, kind="mergesort")[: metrics.MAX_PEOPLE]
        for d, row in enumerate(theirs):
            for g, value in enumerate(row):
                if metrics.labelled(scene.truth[g]).any():
                    ours = metrics.oks(scene.predicted[order[d]], scene.truth[g], scene.area[g], COCO_17.sigmas)
                    assert ours == pytest.approx(value, abs=1e-9)
                    compared += 1
    assert compared > 200


def test_no_people_of_a_size_is_minus_one() -> None:
    truth = np.dstack([np.random.default_rng(0).uniform(0, 300, (1, 17, 2)), np.full((1, 17, 1), 2.0)])
    scene = Scene(
        predicted=truth[..., :2], score=np.ones(1), truth=truth, area=np.array([200.0**2]), boxes=np.array([[0.0, 0, 300, 300]])
    )
    result = metrics.average_precision([scene], COCO_17.sigmas)
    assert [result.ap, result.ap_large, result.ap_medium, result.ar] == pytest.approx([1.0, 1.0, -1.0, 1.0], abs=1e-9)


def test_mean_oks_leaves_out_people_with_few_labels() -> None:
    truth = np.zeros((2, 17, 3))
    truth[0, :5, 2], truth[1, :4, 2] = 2, 2
    predicted = truth[..., :2].copy()
    predicted[1] += 1000
    assert metrics.mean_oks(predicted, truth, np.full(2, 100.0), COCO_17.sigmas) == 1.0
    assert np.isnan(metrics.mean_oks(predicted[1:], truth[1:], np.full(1, 100.0), COCO_17.sigmas))


def test_a_joint_that_is_not_predicted_counts_as_wrong() -> None:
    truth = np.zeros((1, 17, 3))
    truth[0, 5:13, :2] = np.arange(16).reshape(8, 2) * 10.0
    truth[0, 5:13, 2] = 2
    predicted = truth[..., :2].copy()
    predicted[0, 5] = np.nan
    assert metrics.oks(predicted, truth, np.array([400.0]), COCO_17.sigmas)[0] == pytest.approx(7 / 8)
    result = metrics.pck(predicted, truth, metrics.torso_size(truth, COCO_17), 0.2)
    assert (result.total, result.by_joint[5], result.by_joint[6]) == (7 / 8, 0.0, 1.0)


def test_pck_counts_labelled_joints_of_people_with_a_torso() -> None:
    truth = np.zeros((3, 17, 3))
    left_shoulder, right_hip, nose = COCO_17.index("left_shoulder"), COCO_17.index("right_hip"), COCO_17.index("nose")
    for n in (0, 1):
        truth[n, right_hip, :2] = (30, 40)  # 50 px from the shoulder at the origin
        truth[n, [left_shoulder, right_hip, nose], 2] = 2
    truth[2, nose, 2] = 2  # no torso: left out
    predicted = truth[..., :2].copy()
    predicted[0, nose] = (10.0, 0)  # exactly 0.2 × 50: within
    predicted[1, nose] = (10.1, 0)
    predicted[2, nose] = (500, 500)
    torso = metrics.torso_size(truth, COCO_17)
    assert torso[:2].tolist() == [50, 50]
    assert np.isnan(torso[2])
    result = metrics.pck(predicted, truth, torso, 0.2)
    assert result.total == pytest.approx(5 / 6)
    assert result.by_joint[nose] == 0.5
    assert result.joints[nose] == 2
    assert np.isnan(result.by_joint[COCO_17.index("left_knee")])


def test_head_size_by_skeleton() -> None:
    for skeleton in (MPII_16, LSP_14):
        truth = np.zeros((2, skeleton.k, 3))
        truth[0, :, 2] = 1
        truth[0, skeleton.index("head_top"), 1] = -24
        size = metrics.head_size(truth, skeleton)
        assert size[0] == 24
        assert np.isnan(size[1])
    truth = np.zeros((2, 17, 3))
    truth[0, :3, 2] = 2  # nose and eyes, no ear: unknown
    truth[1, [0, 3, 4], 2] = 2
    truth[1, 3, 0], truth[1, 4, 0] = 8, -8
    size = metrics.head_size(truth, COCO_17)
    assert np.isnan(size[0])
    assert size[1] == pytest.approx(24)


def test_errors_are_told_apart() -> None:
    truth = np.zeros((1, 17, 3))
    truth[0, :, 0] = np.arange(17) * 200.0  # all joints far apart
    truth[0, :, 2] = 2
    truth[0, 16, 2] = 0
    other = truth[0].copy()
    other[:, 1] = 5000
    area = np.array([100.0**2])
    predicted = truth[..., :2].copy()
    wrist, elbow, knee, hip, ankle = (COCO_17.index(f"left_{j}") for j in ("wrist", "elbow", "knee", "hip", "ankle"))
    predicted[0, wrist, 1] += 100 * 2 * 0.062 * 0.9  # similarity exp(−0.405) = 0.67
    predicted[0, elbow] = truth[0, COCO_17.index("right_elbow"), :2]
    predicted[0, knee] = truth[0, hip, :2]
    predicted[0, hip] = other[hip, :2]
    predicted[0, ankle] = (-3000, -3000)
    kinds = metrics.classify_errors(predicted, truth, area, [other[None]], COCO_17)[0]
    named = {joint: ERRORS[kinds[joint]] for joint in (0, wrist, elbow, knee, hip, ankle)}
    assert named == {0: "good", wrist: "jitter", elbow: "left_right", knee: "inversion", hip: "swap", ankle: "miss"}
    assert kinds[16] == -1
    alone = metrics.classify_errors(predicted, truth, area, [other[None][:0]], COCO_17)[0]
    assert ERRORS[alone[hip]] == "miss"
