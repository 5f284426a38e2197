"""Stripped checkpoints carry what is exported, and recipes of long trainings fit the networks that they name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn import Small, tiny_recipe

from poseapp.core.errors import CheckpointError
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.train import checkpoint
from poseapp.train.data.annotations import Person
from poseapp.train.loop import Options, train
from poseapp.train.recipes import RECIPES
from poseapp.train.strip_checkpoint import strip


def test_a_stripped_checkpoint_is_exported_and_not_resumed(
    figures: list[Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(net=Small, batch=2, epochs=1)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    list(train(recipe, figures, tmp_path / "run", Options(workers=0)))
    size = strip(tmp_path / "run" / "last.pt", tmp_path / "stripped" / "last.pt")
    assert size < 0.35 * (tmp_path / "run" / "last.pt").stat().st_size
    whole = checkpoint.read_network(tmp_path / "run" / "last.pt").net
    small = checkpoint.read_network(tmp_path / "stripped" / "last.pt")
    assert small.state.step == 4
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(whole(x)[-1], small.net(x)[-1], atol=2e-3)
    begun = train(recipe, figures, tmp_path / "again", Options(workers=0, start_from=tmp_path / "stripped" / "last.pt"))
    next(begun)
    begun.close()
    with pytest.raises(CheckpointError):
        next(train(recipe, figures, tmp_path / "stripped", Options(workers=0, resume=True)))


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [("hourglass-s-256x192", 1.8e6, 1.7e9), ("hrnet-w32", 29e6, 7.8e9)],
)
def test_long_trainings_deploy_what_was_asked_for(name: str, parameters: float, macs: float) -> None:
    recipe = RECIPES[name]
    net = recipe.net()
    assert recipe.input_hw == (256, 192)
    assert 0.7 * parameters < count_parameters(net) <= parameters
    assert 0.7 * macs < count_macs(net, recipe.input_hw) <= macs
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1)
    for phase in recipe.phases:
        assert all(side % 32 == 0 for side in phase.input_hw)


@pytest.mark.parametrize(
    ("name", "height"), [("hourglass-t", 128), ("hourglass-s", 192), ("hourglass-s-refine", 192), ("hourglass-l", 256)]
)
def test_one_network_at_three_sizes(name: str, height: int) -> None:
    recipe, middle = RECIPES[name], RECIPES["hourglass-s"]
    assert recipe.input_hw == (height, height * 3 // 4)
    assert recipe.sigma_px / height == pytest.approx(middle.sigma_px / 192)  # the same part of a body
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1)
    # Weights of one start the others; the largest has a second hourglass besides.
    loaded = recipe.net().load_state_dict(middle.net().state_dict(), strict=False)
    assert not loaded.unexpected_keys
    assert all(key.startswith("corrections.") for key in loaded.missing_keys)
    assert bool(loaded.missing_keys) == (name == "hourglass-l")
