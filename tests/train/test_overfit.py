"""Each family learns eight people by heart: targets, loss, decoding and the network fit together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import draw_set, tiny_recipe

from poseapp.core import transform
from poseapp.core.types import FloatArray
from poseapp.train import checkpoint
from poseapp.train.data.annotations import BOX_PADDING, Person, read_coco
from poseapp.train.loop import Options, train
from poseapp.train.recipes import Recipe
from poseapp.train.tasks.person import validate

# Steps and learning rate.
FAMILIES = {"hourglass": (120, 5e-3), "hrnet": (120, 8e-3), "cpm": (200, 8e-3), "openpose": (300, 1e-2)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", FAMILIES)
def test_learns_eight_people_by_heart(family: str, tmp_path: Path) -> None:
    """The last joint is right or not by how a processor rounds, so bounds have room; each is far from what ignorance reaches."""
    steps, lr = FAMILIES[family]
    recipe = tiny_recipe(family, epochs=steps, lr=lr, clip_norm=0.0)
    people = read_coco(draw_set(tmp_path), tmp_path / "images", recipe.skeleton)
    losses = [p.loss for p in train(recipe, people, tmp_path / "run", Options(workers=0))]
    assert len(losses) == steps
    net = recipe.net().eval()
    net.load_state_dict(checkpoint.read(tmp_path / "run" / "last.pt").ema)
    result = validate(net, recipe, people, torch.device("cpu"))
    truth = in_crops(people, recipe)
    said = result.keypoints[..., :2]
    offset = (said - truth).mean(axis=(0, 1)) / recipe.stride
    alike = likeness(said, truth)
    told = f"PCK {result.pck:.3f}, offset {offset}, likeness {alike:.3f}, loss {losses[0]:.5f} → {losses[-1]:.5f}"
    print(told)
    assert losses[-1] < 0.2 * losses[0], told
    assert result.pck > 0.95, told  # one heatmap px beside the truth is 0.01
    assert np.abs(offset).max() < 0.25, told  # heatmap px
    assert alike > 0.6, told


def in_crops(people: Sequence[Person], recipe: Recipe) -> FloatArray:
    """The joints (N, K, 2) in the px of the crops that ``validate`` makes."""
    boxes = [transform.fit_aspect(person.box, recipe.input_hw, BOX_PADDING) for person in people]
    affines = [transform.crop_affine(box, recipe.input_hw) for box in boxes]
    return np.stack([transform.apply(affine, person.joints[:, :2]) for affine, person in zip(affines, people, strict=True)])


def likeness(said: FloatArray, truth: FloatArray) -> float:
    """How people differ from each other: the correlation of what is said with the truth, both less their mean pose.

    The mean pose alone has a PCK of 0.90 here, and a likeness of 0.
    """
    ours, theirs = said - said.mean(axis=0), truth - truth.mean(axis=0)
    return float((ours * theirs).sum() / max(1e-9, float(np.sqrt((ours**2).sum() * (theirs**2).sum()))))
