"""How fast training is, and what supervision does to gradients. By hand: ``python -m poseapp.bench.training --help``."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from rich.table import Table

from poseapp.console import plain_console, run_module
from poseapp.core import transform
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import ImageArray
from poseapp.nets.blocks import count_macs
from poseapp.nets.deploy import Normalise
from poseapp.train.data.annotations import BOX_PADDING, Person, read_image
from poseapp.train.data.datasets import find_set
from poseapp.train.data.loader import steps_of
from poseapp.train.data.order import Loading
from poseapp.train.data.scene_dataset import CropPoses
from poseapp.train.data.targets import target_of
from poseapp.train.eval.evaluate import write_png
from poseapp.train.loop import new_network, new_training
from poseapp.train.losses import supervise
from poseapp.train.recipes import RECIPES, Precision, Recipe, Supervision
from poseapp.train.schedule import supervised
from poseapp.train.step import Stepper
from poseapp.train.tasks.detection import BoxEncoder

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, no_args_is_help=True)

DataPath = Annotated[str, typer.Option(help="A set, as for poseapp train.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="The recipe.")]


def made_up_people(count: int, skeleton: Skeleton, seed: int = 0) -> list[Person]:
    """People with joints all over a 640×480 picture, without pictures."""
    random = np.random.default_rng(seed)
    people = []
    for i in range(count):
        joints = np.column_stack([random.uniform((200, 100), (440, 400), (skeleton.k, 2)), np.full(skeleton.k, 2)])
        box = np.array([180, 80, 280, 340], np.float32)
        people.append(Person(i, i, Path(), box, joints.astype(np.float32), 50000.0))
    return people


def milliseconds(action: Callable[[int], object], repeat: int) -> float:
    """Median time of *action*(i), in ms."""
    times = []
    for i in range(repeat):
        start = time.perf_counter()
        action(i)
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


@app.command()
def sample(recipe: RecipeName = "hourglass-s", data: DataPath = "") -> None:
    """What a sample costs in a loading process: reading, affine, appearance, targets. Without --data, of made-up people."""
    chosen = RECIPES[recipe]
    table = Table("part", "ms", title=f"{recipe}, one sample at {size_of(chosen)}, one thread, median")
    for name, ms in sample_ms(chosen, data).items():
        table.add_row(name, "–" if math.isnan(ms) else f"{ms:.3f}")
    plain_console().print(table)


def sample_ms(recipe: Recipe, data: str) -> dict[str, float]:
    """The parts of a sample at the deployed size, in ms on one thread; what is asked of affine and targets is 1 ms."""
    cv2.setNumThreads(1)
    people = people_of(recipe, data)[:400]
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    target = target_of(recipe, recipe.input_hw)
    n = len(people)

    def image(i: int) -> ImageArray:
        return read_image(people[i % n].path) if data else noise

    def affine(i: int) -> tuple[transform.Affine, bool]:
        person, random = people[i % n], np.random.default_rng(i)
        box = transform.fit_aspect(person.box, target.input_hw, BOX_PADDING)
        return recipe.augment.geometry(box, person.joints, recipe.skeleton, target.input_hw, random)

    images = [image(i) for i in range(64)]
    affines = [affine(i)[0] for i in range(64)]
    crops = [transform.crop(images[i], affines[i], target.input_hw) for i in range(64)]

    def targets(i: int) -> object:
        joints = people[i % n].joints.copy()
        joints[:, :2] = transform.apply(affines[i % 64], joints[:, :2])
        return target.encode(joints)

    parts = {
        "read and decode": milliseconds(image, n) if data else math.nan,
        "affine": milliseconds(lambda i: transform.crop(images[i % 64], affine(i)[0], target.input_hw), n),
        "appearance": milliseconds(lambda i: recipe.augment.appearance(crops[i % 64], np.random.default_rng(i)), n),
        "targets": milliseconds(targets, n),
    }
    return {**parts, "affine + targets": parts["affine"] + parts["targets"]}


def people_of(recipe: Recipe, data: str) -> list[Person]:
    """The people that *recipe* would train on at *data*, or 400 made-up ones for ""."""
    if not data:
        return made_up_people(400, recipe.skeleton)
    return find_set(data, "train").read(recipe.skeleton, recipe.min_joints)


def size_of(recipe: Recipe) -> str:
    """The deployed input, as it is printed."""
    return f"{recipe.input_hw[0]}×{recipe.input_hw[1]}"


def a_training(recipe: Recipe, device: torch.device) -> Stepper:
    """What makes the steps of a fresh training of *recipe*."""
    torch.manual_seed(recipe.seed)
    return Stepper(new_training(recipe, new_network(recipe, device), steps=1000))


def a_batch(recipe: Recipe, size: int, input_hw: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random crops with real targets."""
    target = target_of(recipe, input_hw)
    random = np.random.default_rng(0)
    crops = torch.from_numpy(random.integers(0, 255, (size, *input_hw, 3), np.uint8))
    targets, weights = [], []
    for person in made_up_people(size, recipe.skeleton):
        joints = person.joints.copy()
        joints[:, :2] *= np.array(input_hw[::-1], np.float32) / (640, 480)
        box = np.array([[0.0, 0.0], [input_hw[1], input_hw[0]]])
        if recipe.task == "detection":
            maps, weight = BoxEncoder(recipe.stride).encode([CropPoses(joints, box.ravel().astype(np.float32))], [], input_hw)
        else:
            maps, weight = target.encode_all([joints], [box]) if target.limbs else target.encode(joints)
        targets.append(torch.from_numpy(maps))
        weights.append(torch.from_numpy(weight))
    return crops, torch.stack(targets), torch.stack(weights)


@app.command()
def speed(
    recipes: Annotated[list[str] | None, typer.Argument(help="Recipes; none: all.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    batch: Annotated[int, typer.Option(help="People a step; 0: the recipe's, on a CPU fewer of a large network.")] = 0,
    seconds: Annotated[float, typer.Option(help="Time measured for each line.")] = 3.0,
) -> None:
    """Training steps alone: images a second for each recipe and precision, from memory."""
    names = ("recipe", "input", "batch", "precision", "images/s", "GiB")
    table = Table(*names, title=f"training on {device}, {torch.get_num_threads()} threads")
    for rate in rates(recipes or list(RECIPES), device, batch, seconds):
        memory = f"{rate.gib:.1f}" if rate.gib else "–"
        table.add_row(rate.recipe.name, size_of(rate.recipe), str(rate.batch), rate.recipe.precision, images(rate.per_s), memory)
    plain_console().print(table)


@dataclass(frozen=True)
class Rate:
    """Images a second of training steps of ``batch`` people, and the peak of GPU memory in GiB (0 on a CPU)."""

    recipe: Recipe
    batch: int
    per_s: float
    gib: float


def rates(recipes: Sequence[str], device: str, batch: int, seconds: float) -> Iterator[Rate]:
    """The rate of each recipe in each precision that *device* is used with."""
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if device == "cpu" else ("fp32", "bf16", "fp16")
    for name, precision in itertools.product(recipes, precisions):
        recipe = replace(RECIPES[name], precision=precision)
        size = batch or recipe.batch
        if not batch and device == "cpu":  # a step of a few seconds, whatever the network
            size = max(1, min(recipe.batch, round(20e9 / count_macs(recipe.net().eval(), recipe.input_hw))))
        yield Rate(recipe, size, *step_rate(recipe, torch.device(device), size, seconds))


def step_rate(recipe: Recipe, device: torch.device, batch: int, seconds: float) -> tuple[float, float]:
    """Images a second of training steps at the deployed size, after one to warm up, and the peak of GPU memory in GiB."""
    stepper = a_training(recipe, device)
    batches = [a_batch(recipe, batch, recipe.input_hw)]
    stepper.step(batches)
    steps, start = 0, time.perf_counter()
    while not steps or time.perf_counter() - start < seconds:
        stepper.step(batches)
        steps += 1
    rate = steps * batch / (time.perf_counter() - start)
    return rate, torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


def images(rate: float) -> str:
    """A rate as it is printed."""
    return f"{rate:.0f}" if rate >= 20 else f"{rate:.2g}"


@app.command()
def loader(
    data: DataPath = "data/pose",
    recipe: RecipeName = "hourglass-s",
    workers: Annotated[int, typer.Option(help="Loading processes.")] = 2,
    seconds: Annotated[float, typer.Option(help="Time measured for each part.")] = 10.0,
) -> None:
    """Whether loading keeps up: images a second out of the loader, and into training steps, both at the deployed size."""
    chosen = RECIPES[recipe]
    loaded, trained = loaded_and_trained(chosen, data, workers, seconds)
    table = Table("images/s", "rate", title=f"{recipe} at {size_of(chosen)}")
    table.add_row(f"loader, {workers} processes", f"{loaded:.0f}")
    table.add_row(f"training steps on the CPU, {torch.get_num_threads()} threads", f"{trained:.0f}")
    table.add_row("ratio", f"{loaded / trained:.1f}", style="bold")
    plain_console().print(table)


def loaded_and_trained(recipe: Recipe, data: str, workers: int, seconds: float) -> tuple[float, float]:
    """Images a second out of the loader and into training steps, one after the other; what is asked of the ratio is 3."""
    people = people_of(recipe, data)
    per_epoch = len(people) // recipe.batch
    loading = Loading(range(100 * per_epoch), per_epoch, workers=workers)
    steps = steps_of(people, recipe, target_of(recipe, recipe.input_hw), loading)
    for _ in range(4 * workers):  # the processes start up, and their queue fills
        next(steps)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(steps)
        count += recipe.batch
    loaded = count / (time.perf_counter() - start)
    del steps
    return loaded, step_rate(recipe, torch.device("cpu"), recipe.batch, seconds)[0]


@app.command()
def report(
    data: DataPath = "data/pose",
    device: Annotated[str, typer.Option(help="Where the training steps are measured: cpu or cuda.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Loading processes.")] = 2,
    out: Annotated[Path, typer.Option(help="The picture of the gradients.")] = Path("runs/gradients.png"),
) -> None:
    """Everything, as Markdown: five minutes on two quiet cores."""
    recipe = RECIPES["hourglass-s"]
    parts = sample_ms(recipe, data)
    loaded, trained = loaded_and_trained(recipe, data, workers, 10)
    rows = [[f"{name}, ms a sample", f"{ms:.2f}"] for name, ms in parts.items()]
    rows += [
        [f"loader, {workers} processes, images/s", f"{loaded:.0f}"],
        [f"training steps, CPU, {torch.get_num_threads()} threads, images/s", f"{trained:.0f}"],
        ["**loader / training**", f"**{loaded / trained:.1f}**"],
    ]
    typer.echo(markdown([f"`{recipe.name}` at {size_of(recipe)}", ""], rows) + "\n")
    by_recipe: dict[str, list[Rate]] = {}
    for rate in rates(list(RECIPES), device, 0, 3):
        by_recipe.setdefault(rate.recipe.name, []).append(rate)
    first = next(iter(by_recipe.values()))
    heads = ["recipe", "input", "batch", *(f"{rate.recipe.precision}, images/s" for rate in first)]
    rows = [
        [f"`{name}`", size_of(found[0].recipe), str(found[0].batch), *(images(rate.per_s) for rate in found)]
        for name, found in by_recipe.items()
    ]
    typer.echo(markdown(heads, rows) + "\n")
    chosen = RECIPES["cpm-s"]
    everywhere, final = (gradient_by_depth(chosen, supervision, 20, 4) for supervision in ("everywhere", "final"))
    ratios = [a.rms / max(b.rms, 1e-30) for a, b in zip(everywhere, final, strict=True)]
    write_png(draw_gradients(everywhere, final), out)
    typer.echo(
        f"`{chosen.name}`: with a loss after every stage, {ratios[0]:.0f} times as much gradient reaches the first layer as with "
        f"one at the end, {ratios[-1]:.1f} times as much the last ({out.name}; Wei et al. 2016, Figure 5)."
    )


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: the first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- Figure 5 of Wei et al. 2016 ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerGradient:
    """The size of one layer's gradient: root of the mean square over its weights."""

    layer: str
    rms: float


def gradient_by_depth(recipe: Recipe, supervision: Supervision, steps: int, batch: int) -> list[LayerGradient]:
    """Gradients of the convolutions, first layer first, after *steps* training steps under one strategy."""
    stepper = a_training(replace(recipe, supervision=supervision, warmup_steps=0), torch.device("cpu"))
    net, normalise = stepper.training.net, Normalise()
    crops, target, weight = a_batch(recipe, batch, recipe.phases[0].input_hw)
    for _ in range(steps):
        stepper.step([(crops, target, weight)])
    net.zero_grad()
    out = net(normalise(crops))
    stages = [out] if isinstance(out, torch.Tensor) else out
    chosen = supervised(supervision, len(stages), 1.0 if supervision != "final" else 0.0)
    supervise([stages[s] for s in chosen], target, weight).backward()
    return [
        LayerGradient(name.removesuffix(".weight"), float(p.grad.square().mean().sqrt()))
        for name, p in net.named_parameters()
        if p.ndim == 4 and p.grad is not None
    ]


@app.command()
def gradients(
    recipe: RecipeName = "cpm-s",
    steps: Annotated[int, typer.Option(help="Training steps before the look.")] = 20,
    batch: Annotated[int, typer.Option(help="People a step.")] = 4,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("runs/gradients.png"),
) -> None:
    """How much gradient reaches each layer with a loss after every stage, and with one at the end (Wei et al., Figure 5)."""
    chosen = RECIPES[recipe]
    everywhere = gradient_by_depth(chosen, "everywhere", steps, batch)
    final = gradient_by_depth(chosen, "final", steps, batch)
    table = Table("layer", "everywhere", "final only", "ratio", title=f"{recipe}: RMS of the gradient after {steps} steps")
    for a, b in zip(everywhere, final, strict=True):
        table.add_row(a.layer, f"{a.rms:.2e}", f"{b.rms:.2e}", f"{a.rms / max(b.rms, 1e-30):.1f}")
    plain_console().print(table)
    write_png(draw_gradients(everywhere, final), out)
    typer.echo(f"Drawn in {out}")


def draw_gradients(everywhere: list[LayerGradient], final: list[LayerGradient]) -> ImageArray:
    """Both curves against depth, logarithmic, uint8 BGR."""
    w, h, edge = 960, 420, 60
    image = np.full((h, w, 3), 255, np.uint8)
    both = [np.log10(np.maximum([g.rms for g in curve], 1e-12)) for curve in (everywhere, final)]
    low, high = math.floor(min(map(np.min, both))), math.ceil(max(map(np.max, both)))
    for power in range(low, high + 1):
        y = round(h - edge - (h - 2 * edge) * (power - low) / max(1, high - low))
        cv2.line(image, (edge, y), (w - edge, y), (225, 225, 225), 1)
        cv2.putText(image, f"1e{power}", (8, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    labels = ("loss after every stage", "loss at the end only")
    for row, (curve, colour, label) in enumerate(zip(both, ((200, 90, 20), (20, 120, 240)), labels, strict=True)):
        x = np.linspace(edge, w - edge, len(curve))
        y = h - edge - (h - 2 * edge) * (curve - low) / max(1, high - low)
        points = np.stack([x, y], axis=1).round().astype(np.int32)
        cv2.polylines(image, [points[:, None]], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        cv2.putText(image, label, (edge, 20 + 18 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    axis = "RMS gradient by layer: input on the left, output on the right"
    cv2.putText(image, axis, (edge, h - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
    return image


if __name__ == "__main__":
    run_module(app)
