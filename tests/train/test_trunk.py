"""A network that begins from published weights sees with them what they saw, and learns from there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_set, tiny_recipe
from torch import Tensor, nn

from poseapp.core.errors import CheckpointError, DataError
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.deploy import Normalise
from poseapp.nets.efficientnet import EfficientNetLite, published_weights
from poseapp.nets.hourglass import LiteHourglass
from poseapp.train.data.annotations import Person, read_coco
from poseapp.train.data.datasets import find_set
from poseapp.train.loop import Options, train
from poseapp.train.optimiser import make_optimiser
from poseapp.train.recipes import RECIPES
from poseapp.train.tasks import task_of

PUBLISHED_PLACES = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def published(trunk: EfficientNetLite) -> dict[str, Tensor]:
    """The weights of *trunk* named as they are published, with a classifier that nobody asks for."""
    state = {"_fc.weight": torch.zeros(1000, 1280)}
    for name, value in trunk.state_dict().items():
        if name.startswith("stem."):
            _, layer, rest = name.split(".")
            state[f"{('_conv_stem', '_bn0')[int(layer)]}.{rest}"] = value
        else:
            _, block, place, layer, rest = name.split(".")
            state[f"_blocks.{block}.{PUBLISHED_PLACES[place][int(layer)]}.{rest}"] = value
    return state


def lively(trunk: EfficientNetLite) -> EfficientNetLite:
    """*trunk* with statistics that are nobody's defaults."""
    torch.manual_seed(3)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return trunk.eval()


@pytest.mark.parametrize(
    ("size", "millions", "widths"),
    [(0, 4.652008, [24, 40, 112, 320]), (1, 5.416680, [24, 40, 112, 320]), (2, 6.092072, [24, 48, 120, 352])],
)
def test_trunks_have_the_published_sizes(size: int, millions: float, widths: list[int]) -> None:
    """Lite0 4.7 M and 407 M multiply-adds, Lite1 5.4 M and 631 M, Lite2 6.1 M and 899 M, with the classifier."""
    trunk = EfficientNetLite(size)
    assert trunk.widths == widths
    head, classes = 1280 * widths[-1] + 2 * 1280, 1000 * 1281
    assert count_parameters(trunk) + head + classes == pytest.approx(millions * 1e6, abs=0.5)


def test_multiply_adds_of_the_smallest() -> None:
    trunk = EfficientNetLite(0)
    assert (count_macs(trunk, (224, 224)) + 7 * 7 * 320 * 1280 + 1280 * 1000) / 1e6 == pytest.approx(407, rel=0.06)


def test_our_normalisation_is_folded_into_the_first_convolution() -> None:
    theirs = lively(EfficientNetLite(0))
    ours = EfficientNetLite(0).eval()
    ours.load_state_dict(published_weights(published(theirs), ours, "file"))
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8))
    as_they_were_trained = (crops.float().flip(-1).permute(0, 3, 1, 2) - 127) / 128
    with torch.no_grad():
        seen, expected = ours.stem(Normalise()(crops)), theirs.stem(as_they_were_trained)
    # Beyond the edge there are zeros, which are another grey in each of the two.
    assert torch.allclose(seen[..., 1:, 1:], expected[..., 1:, 1:], atol=1e-5)
    assert float(expected.std()) > 0.1


def test_every_scale_reaches_the_heatmaps() -> None:
    torch.manual_seed(0)
    net = LiteHourglass(joints=5, features=16, stacks=2)
    for name, module in net.named_modules():
        if name.endswith("head"):
            nn.init.normal_(module.weight)
    maps = net(torch.randn(2, 3, 72, 40))  # an 8th, a 16th and a 32nd of it are no whole numbers
    assert [tuple(m.shape) for m in maps] == [(2, 5, 18, 10), (2, 5, 18, 10)]
    maps[-1].square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in net.parameters() if p.ndim > 1)


def test_training_begins_with_the_published_weights(figures: list[Person], tmp_path: Path) -> None:
    theirs = lively(EfficientNetLite(0))
    torch.save(published(theirs), tmp_path / "lite0.pth")
    recipe = tiny_recipe(name="lite", net=lambda: LiteHourglass(features=16), batch=2, epochs=1, lr=1e-9)
    steps = train(recipe, figures, tmp_path / "run", Options(workers=0, start_from=tmp_path / "lite0.pth"))
    next(steps)
    steps.close()
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    for name in ("blocks.4.expand.0.weight", "blocks.15.project.0.weight"):
        assert torch.allclose(state["net"][f"trunk.{name}"], theirs.state_dict()[name], atol=1e-6)


def test_a_network_grows_by_an_hourglass_that_changes_nothing_at_first(figures: list[Person], tmp_path: Path) -> None:
    recipe = tiny_recipe(name="lite", net=lambda: LiteHourglass(features=16), batch=2, epochs=1)
    for _ in train(recipe, figures, tmp_path / "small", Options(workers=0)):
        pass
    grown = dataclasses.replace(recipe, net=lambda: LiteHourglass(features=16, stacks=2))
    steps = train(grown, figures, tmp_path / "grown", Options(workers=0, start_from=tmp_path / "small" / "last.pt"))
    next(steps)
    steps.close()
    small, trained = (torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("small", "grown"))
    assert torch.allclose(trained["net"]["head.weight"], small["ema"]["head.weight"], atol=2 * recipe.lr)
    assert float(trained["net"]["corrections.0.head.weight"].abs().max()) > 0  # it learns from the first step on
    net = grown.net().eval()
    net.load_state_dict(small["ema"], strict=False)
    with torch.no_grad():
        first, corrected = net(torch.randn(2, 3, 96, 64))
    assert float(first.std()) > 1e-4
    assert torch.equal(first, corrected)


@pytest.mark.parametrize(
    ("net", "content", "expected"),
    [
        (lambda: LiteHourglass(features=16), {"weight": torch.zeros(3)}, "looked for _conv_stem.weight"),
        (lambda: LiteHourglass(features=16, size=1), None, "looked for _blocks.3._depthwise_conv.weight"),
        (RECIPES["hourglass-s-256x192"].net, None, "not a checkpoint of this training code"),
    ],
)
def test_other_files_are_refused(
    net: Callable[[], nn.Module], content: dict[str, Tensor] | None, expected: str, figures: list[Person], tmp_path: Path
) -> None:
    torch.save(content or published(EfficientNetLite(0)), tmp_path / "file.pth")
    recipe = tiny_recipe(name="lite", net=net, batch=2, epochs=1)
    with pytest.raises(CheckpointError, match=expected):
        next(train(recipe, figures, tmp_path / "run", Options(workers=0, start_from=tmp_path / "file.pth")))


def test_the_trunk_may_learn_more_slowly() -> None:
    recipe = tiny_recipe(net=lambda: LiteHourglass(features=16), trunk_lr=0.1, weight_decay=0.01)
    net = recipe.net()
    shares = {id(p): group["share"] for group in make_optimiser(recipe, net).param_groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in make_optimiser(recipe, net).param_groups for p in group["params"]}
    for name, parameter in net.named_parameters():
        assert shares[id(parameter)] == (0.1 if name.startswith("trunk.") else 1.0)
        assert decays[id(parameter)] == (0.01 if parameter.ndim > 1 else 0.0)
    assert len(shares) == len(list(net.parameters()))


def test_a_run_from_before_there_were_trunks_goes_on(figures: list[Person], tmp_path: Path) -> None:
    recipe = tiny_recipe(batch=2, epochs=1, weight_decay=0.0)
    steps = train(recipe, figures, tmp_path / "run", Options(workers=0))
    next(steps)
    steps.close()
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    for group in state["optimiser"]["param_groups"]:
        del group["share"]
    torch.save(state, tmp_path / "run" / "last.pt")
    (second,) = list(train(recipe, figures, tmp_path / "run", Options(workers=0, resume=True)))[:1]
    assert second.step == 2
    assert second.lr > 0


def test_people_of_some_pictures_are_seen_more_often(tmp_path: Path) -> None:
    annotations = draw_set(tmp_path / "set")
    once = read_coco(annotations, tmp_path / "set" / "images", RECIPES["hourglass-s"].skeleton, 5)
    names = [person.path.name for person in once]
    recipe = tiny_recipe(sampling_weight=((names[0], 3), (names[-1], 2)))
    part = find_set(str(tmp_path / "set"), "train")
    seen = [person.path.name for person in task_of(recipe).read(part, 5)]
    assert sorted(seen) == sorted([*names, names[0], names[0], names[-1]])


@pytest.mark.parametrize("times", [0.4, 0.5, 1.5, 2])
def test_a_share_of_people_is_spread_over_all(times: float, tmp_path: Path) -> None:
    annotations = draw_set(tmp_path / "set")
    names = [p.path.name for p in read_coco(annotations, tmp_path / "set" / "images", RECIPES["hourglass-s"].skeleton, 5)]
    part = find_set(str(tmp_path / "set"), "train")
    seen = [person.path.name for person in task_of(tiny_recipe(sampling_weight=(("", times),))).read(part, 5)]
    assert len(seen) == int(len(names) * times + 1e-6)
    for end in range(1, len(names) + 1):  # never one behind or ahead
        assert sum(seen.count(name) for name in set(names[:end])) == pytest.approx(times * end, abs=1)


def test_the_first_blocks_stay_as_they_are(figures: list[Person], tmp_path: Path) -> None:
    recipe = tiny_recipe(net=lambda: LiteHourglass(features=16), frozen_blocks=2, batch=2, epochs=1, weight_decay=0.1)
    torch.manual_seed(recipe.seed)
    begun = {name: value.clone() for name, value in recipe.net().state_dict().items()}
    list(train(recipe, figures, tmp_path / "run", Options(workers=0)))
    ended = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["net"]
    kept = ("trunk.stem.", "trunk.blocks.0.", "trunk.blocks.1.")
    assert all(torch.equal(begun[name], ended[name]) for name in begun if name.startswith(kept))
    assert not any(torch.equal(begun[name], ended[name]) for name in begun if name.startswith("trunk.blocks.2."))


@pytest.mark.parametrize(("net", "blocks"), [(lambda: LiteHourglass(features=16), 16), (tiny_recipe().net, 1)])
def test_blocks_that_are_not_there_cannot_stay(net: Any, blocks: int, figures: list[Person], tmp_path: Path) -> None:
    recipe = tiny_recipe(net=net, frozen_blocks=blocks, batch=2, epochs=1)
    with pytest.raises(DataError, match=f"blocks to keep as they are, got {blocks}"):
        next(train(recipe, figures, tmp_path / "run", Options(workers=0)))


def test_frozen_blocks_stay_so_while_stages_are_trained_one_by_one(figures: list[Person], tmp_path: Path) -> None:
    net = LiteHourglass(features=16, stacks=2)
    recipe = tiny_recipe(net=lambda: net, frozen_blocks=2, batch=2, epochs=1, supervision="stagewise")
    for _ in train(recipe, figures, tmp_path, Options(workers=0)):
        pass
    first, third = net.trunk.blocks[0], net.trunk.blocks[2]
    assert not any(module.training for module in first.modules())
    assert all(module.training for module in third.modules())
