"""A set put together from several is told apart by the names of its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import STANDING

from poseapp.core.skeleton import COCO_17
from poseapp.train.data.annotations import Person
from poseapp.train.eval.evaluation_set import Scored
from poseapp.train.eval.figures import Evaluation, summarise
from poseapp.train.eval.subsets import Subset, subsets_of


def evaluation(names: list[str], off_px: list[float]) -> Evaluation:
    """One standing figure a picture; the model says its elbows and eyes *off_px* px too far to the right."""
    joints = np.column_stack([STANDING * 4, np.full(17, 2)]).astype(np.float32)
    box = np.array([40, 10, 150, 220], np.float32)
    people = [Person(n, n, Path(name), box, joints, 0.53 * 150 * 220) for n, name in enumerate(names)]
    predicted = np.repeat(joints[None], len(names), axis=0)
    moved = [COCO_17.index(f"{side}_{part}") for side in ("left", "right") for part in ("elbow", "eye")]
    predicted[:, moved, 0] += np.array(off_px, np.float32)[:, None]
    return summarise(people, predicted, [0.0] * 6, Scored.of(COCO_17, COCO_17), 1.0)


def test_each_part_has_its_own_figures() -> None:
    street, sports = subsets_of(evaluation(["sports_1.jpg", "street_1.jpg", "sports_2.jpg"], [0.0, 500.0, 0.0]))[::-1]
    assert sports == Subset("sports", 2, 1.0, 1.0, 1.0, 1.0)
    assert (street.name, street.people) == ("street", 1)
    assert street.pck == pytest.approx(13 / 17)  # two elbows and two eyes are off
    assert street.limb_pck == pytest.approx(10 / 12)  # eyes are no limbs
    assert street.mean_oks == pytest.approx(13 / 17)


def test_a_part_in_which_nobody_has_enough_labels_has_no_oks() -> None:
    result = evaluation(["sports_1.jpg", "street_1.jpg"], [0.0, 0.0])
    result.people[1].joints[:13, 2] = 0
    part = subsets_of(result)[1]
    assert (part.name, part.people) == ("street", 0)
    assert np.isnan(part.mean_oks)


@pytest.mark.parametrize(
    "names", [["one_1.jpg", "one_2.jpg"], ["1.jpg", "2.jpg"], ["a_1.jpg", "2.jpg"], [f"{n}_x.jpg" for n in range(9)]]
)
def test_names_that_do_not_tell_parts(names: list[str]) -> None:
    assert subsets_of(evaluation(names, [0.0] * len(names))) == []
