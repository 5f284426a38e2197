"""Each family learns eight people by heart: targets, loss, decoding and the network fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn import draw_set, tiny_recipe

from poseapp.train import checkpoint
from poseapp.train.loop import Options, train
from poseapp.train.people import read_coco
from poseapp.train.validate import validate

# Steps and learning rate.
FAMILIES = {"hourglass": (120, 5e-3), "hrnet": (120, 8e-3), "cpm": (200, 8e-3), "openpose": (300, 1e-2)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", FAMILIES)
def test_learns_eight_people_by_heart(family: str, tmp_path: Path) -> None:
    steps, lr = FAMILIES[family]
    recipe = tiny_recipe(family, epochs=steps, lr=lr, clip_norm=0.0)
    people = read_coco(draw_set(tmp_path), tmp_path / "images", recipe.skeleton)
    losses = [p.loss for p in train(recipe, people, tmp_path / "run", Options(workers=0))]
    assert len(losses) == steps
    net = recipe.net().eval()
    net.load_state_dict(checkpoint.read(tmp_path / "run" / "last.pt")["ema"])
    result = validate(net, recipe, people, torch.device("cpu"))
    assert result.pck == 1.0, f"PCK {result.pck:.3f}, loss {losses[0]:.5f} → {losses[-1]:.5f}"
