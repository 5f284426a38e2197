"""What networks agree on is filled in, what they all contradict is mended, and everything else stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray
from poseapp.train.data import relabel
from poseapp.train.data.votes import RULE, consensus, load_votes, mend, with_votes

SIDE = 100.0
NOSE, LEFT, RIGHT = 0, 9, 10  # of the two wrists


def person() -> FloatArray:
    xy = np.random.default_rng(3).uniform(20, 80, (17, 2))
    xy[LEFT], xy[RIGHT] = (10, 50), (90, 50)
    return np.column_stack([xy, np.full(17, 2)]).astype(np.float32)


def voting(labels: FloatArray, score: float = 0.9) -> FloatArray:
    """Three networks that find *labels*, a pixel apart from each other."""
    votes = np.stack([labels] * 3)
    votes[..., 0] += np.array([[-0.5], [0], [0.5]], np.float32)
    votes[..., 2] = score
    return votes


def test_two_that_agree_are_enough_to_fill_in_and_all_are_needed_to_contradict() -> None:
    votes = voting(person())
    votes[2, NOSE, :2] += 30  # the third looks elsewhere
    votes[1:, LEFT, 2] = 0.1  # only one votes
    two, everyone = consensus(votes, SIDE)
    assert two[NOSE] == pytest.approx(person()[NOSE, :2] + [-0.25, 0])
    assert np.isnan(everyone[NOSE]).all()
    assert np.isnan(two[LEFT]).all()
    assert everyone[RIGHT] == pytest.approx(person()[RIGHT, :2])


def test_an_empty_label_is_filled_in_and_counts_less() -> None:
    labels = person()
    labels[NOSE] = 0
    better, weights, counts = mend(labels, voting(person()), SIDE, may_replace=False)
    assert better[NOSE] == pytest.approx([*person()[NOSE, :2], 1])
    assert (weights[NOSE], weights[1:].min(), counts.filled) == (pytest.approx(RULE.voted_weight), 1, 1)
    assert np.array_equal(better[1:], labels[1:])


def test_swapped_labels_change_places_and_wrong_ones_are_replaced_only_where_that_is_allowed() -> None:
    labels = person()
    labels[[LEFT, RIGHT]] = labels[[RIGHT, LEFT]]
    labels[NOSE, :2] += 40
    kept, weights, _ = mend(labels, voting(person()), SIDE, may_replace=False)
    assert np.array_equal(kept, labels)
    assert (weights == 1).all()
    better, weights, counts = mend(labels, voting(person()), SIDE, may_replace=True)
    assert better[:, :2] == pytest.approx(person()[:, :2], abs=0.01)
    assert (counts.swapped, counts.replaced) == (2, 1)
    assert weights[[LEFT, RIGHT, NOSE]] == pytest.approx([RULE.swapped_weight, RULE.swapped_weight, RULE.voted_weight])


def test_a_label_near_the_votes_stays_where_people_put_it() -> None:
    labels = person()
    labels[NOSE, 0] += 0.1 * SIDE
    better, weights, _ = mend(labels, voting(person()), SIDE, may_replace=True)
    assert np.array_equal(better, labels)
    assert (weights == 1).all()


def content(kind: str = "human-14") -> dict[str, Any]:
    labels = person()
    labels[NOSE] = 0
    entry = {"id": 7, "image_id": 1, "bbox": [0, 0, SIDE, 50], "keypoints": labels.ravel().tolist(), "labels": kind}
    return {"images": [{"id": 1, "file_name": "lspet_1.jpg"}], "annotations": [entry]}


def test_what_is_labelled_by_votes_already_counts_as_votes_do() -> None:
    for kind, first, last in (("human-17", 1, 1), ("voted-17", 0.6, 0.6), ("human-12 + voted-face", 0.6, 1)):
        out, _ = with_votes(content(kind), {}, ())
        assert out["annotations"][0]["keypoint_weights"] == pytest.approx([first] * 5 + [last] * 12)


def test_the_command_writes_a_file_that_training_reads(tmp_path: Path) -> None:
    source, votes, out = tmp_path / "in.json", tmp_path / "votes.npz", tmp_path / "out.json"
    source.write_text(json.dumps(content()))
    np.savez(votes, ids=np.array([7]), votes=voting(person())[None])
    run = CliRunner().invoke(
        relabel.app, ["votes", "--annotations", str(source), "--votes", str(votes), "--out", str(out), "--mend", "lspet_"]
    )
    assert run.exit_code == 0, run.output
    assert run.output.startswith("1 joints filled in, 0 swapped, 0 replaced.")
    entry = json.loads(out.read_text())["annotations"][0]
    assert entry["num_keypoints"] == COCO_17.k
    assert entry["keypoint_weights"][NOSE] == 0.6


@pytest.mark.parametrize("wrong", ["shape", "names", "text"])
def test_a_file_without_votes_is_told(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "votes.npz"
    if wrong == "text":
        path.write_text("no arrays")
    elif wrong == "names":
        np.savez(path, ids=np.array([1]))
    else:
        np.savez(path, ids=np.array([1]), votes=np.zeros((1, 3, 14, 3)))
    with pytest.raises(DataError, match=r"votes\.npz: expected"):
        load_votes(path)
