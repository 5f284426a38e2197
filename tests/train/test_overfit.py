"""Each family learns eight people by heart: targets, loss, decoding and the network fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn import draw_set, tiny_recipe

from poseapp.train.loop import Options, train
from poseapp.train.people import read_coco
from poseapp.train.validate import validate

STEPS = {"hourglass": 120, "hrnet": 100, "cpm": 140, "openpose": 200}


@pytest.mark.parametrize("family", STEPS)
def test_learns_eight_people_by_heart(family: str, tmp_path: Path) -> None:
    steps = STEPS[family]
    recipe = tiny_recipe(family, epochs=steps, lr=5e-3 if family != "openpose" else 2e-3)
    people = read_coco(draw_set(tmp_path), tmp_path / "images", recipe.skeleton)
    losses = [p.loss for p in train(recipe, people, tmp_path / "run", Options(workers=0))]
    assert len(losses) == steps
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    net = recipe.net().eval()
    net.load_state_dict(state["ema"])
    result = validate(net, recipe, people, torch.device("cpu"))
    assert result.pck == 1.0, f"PCK {result.pck:.3f}, loss {losses[0]:.5f} → {losses[-1]:.5f}"
