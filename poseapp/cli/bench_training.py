"""The command bench training and its sub-commands; torch is imported inside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.packages import require
from poseapp.cli.train import recipe_called
from poseapp.console import plain_console

if TYPE_CHECKING:
    from poseapp.bench.training import Rate


training_app = typer.Typer(
    cls=PlainGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How fast training is: samples, loading, steps, and the gradients.",
)

Data = Annotated[str, typer.Option("--data", metavar="SET", help="A labelled set, as for poseapp train.")]
MaybeData = Annotated[
    str, typer.Option("--data", metavar="SET", help="A labelled set, as for poseapp train.", show_default="made-up people")
]
Recipe = Annotated[str, typer.Option("--recipe", metavar="RECIPE", help="The recipe, of those of poseapp train --list.")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="What trains: cpu or cuda (NVIDIA).")]
Workers = Annotated[int, typer.Option("--workers", metavar="NUMBER", help="Processes that load pictures.", min=1)]
Seconds = Annotated[float, typer.Option("--seconds", metavar="SECONDS", help="How long each line is measured.", min=0.1)]
People = Annotated[int, typer.Option("--batch", metavar="PEOPLE", help="People a step.", min=1)]
Picture = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the picture of the gradients is written, a PNG.")]


@training_app.command("sample", cls=PlainCommand)
def sample_command(recipe: Recipe = "hourglass-s", data: MaybeData = "") -> None:
    """The time of one sample in a loading process: reading, affine, appearance, targets."""
    require("training needs", "torch")
    from poseapp.bench.training import sample_ms, size_of

    chosen = recipe_called(recipe)
    table = Table("part", "ms", title=f"{recipe}, one sample at {size_of(chosen)}, one thread, median")
    for name, ms in sample_ms(chosen, data).items():
        table.add_row(name, "–" if math.isnan(ms) else f"{ms:.3f}")
    plain_console().print(table)


@training_app.command("speed", cls=PlainCommand)
def speed_command(
    recipes: Annotated[
        list[str] | None, typer.Argument(metavar="RECIPE", help="Which recipes.", show_default="all of them")
    ] = None,
    device: Device = "cpu",
    batch: Annotated[
        int,
        typer.Option(
            "--batch",
            metavar="PEOPLE",
            help="People a step.",
            min=0,
            show_default="the recipe's; on a CPU fewer for a large network",
        ),
    ] = 0,
    seconds: Seconds = 3.0,
) -> None:
    """Training steps alone, from memory: images a second for each recipe and precision."""
    require("training needs", "torch")
    import torch

    from poseapp.bench.training import images, rates, size_of
    from poseapp.train.recipes import RECIPES

    chosen = [recipe_called(name) for name in recipes or RECIPES]
    names = ("recipe", "input", "batch", "precision", "images/s", "GiB")
    table = Table(*names, title=f"training on {device}, {torch.get_num_threads()} threads")
    for rate in rates(chosen, device, batch, seconds):
        memory = f"{rate.gib:.1f}" if rate.gib else "–"
        table.add_row(rate.recipe.name, size_of(rate.recipe), str(rate.batch), rate.recipe.precision, images(rate.per_s), memory)
    plain_console().print(table)


@training_app.command("loader", cls=PlainCommand)
def loader_command(
    data: Data = "data/pose", recipe: Recipe = "hourglass-s", workers: Workers = 2, seconds: Seconds = 10.0
) -> None:
    """Does loading keep up? Images a second out of the loader, and into training steps."""
    require("training needs", "torch")
    import torch

    from poseapp.bench.training import loaded_and_trained, size_of

    chosen = recipe_called(recipe)
    loaded, trained = loaded_and_trained(chosen, data, workers, seconds)
    table = Table("images/s", "rate", title=f"{recipe} at {size_of(chosen)}")
    table.add_row(f"loader, {workers} processes", f"{loaded:.0f}")
    table.add_row(f"training steps on the CPU, {torch.get_num_threads()} threads", f"{trained:.0f}")
    table.add_row("ratio", f"{loaded / trained:.1f}", style="bold")
    plain_console().print(table)


@training_app.command("gradients", cls=PlainCommand)
def gradients_command(
    recipe: Recipe = "cpm-s",
    steps: Annotated[int, typer.Option("--steps", metavar="NUMBER", help="Training steps before the measurement.", min=0)] = 20,
    batch: People = 4,
    out: Picture = Path("runs/gradients.png"),
) -> None:
    """How much gradient reaches each layer with a loss after every stage, and with one at the end."""
    require("training needs", "torch")
    from poseapp.bench.gradients import draw_gradients, gradient_by_depth
    from poseapp.train.eval.contact_sheets import write_png

    chosen = recipe_called(recipe)
    everywhere = gradient_by_depth(chosen, "everywhere", steps, batch)
    final = gradient_by_depth(chosen, "final", steps, batch)
    table = Table("layer", "everywhere", "final only", "ratio", title=f"{recipe}: RMS of the gradient after {steps} steps")
    for a, b in zip(everywhere, final, strict=True):
        table.add_row(a.layer, f"{a.rms:.2e}", f"{b.rms:.2e}", f"{a.rms / max(b.rms, 1e-30):.1f}")
    plain_console().print(table)
    write_png(draw_gradients(everywhere, final), out)
    typer.echo(f"Drawn in {out}")


@training_app.command("report", cls=PlainCommand)
def report_command(
    data: Data = "data/pose", device: Device = "cpu", workers: Workers = 2, out: Picture = Path("runs/gradients.png")
) -> None:
    """All of these, as Markdown. It takes five minutes on two quiet cores."""
    require("training needs", "torch")
    from poseapp.bench.gradients import draw_gradients, gradient_by_depth
    from poseapp.bench.training import rates
    from poseapp.train.eval.contact_sheets import write_png
    from poseapp.train.recipes import RECIPES

    print(_samples_in_markdown(data, workers))
    print(_rates_in_markdown(list(rates(list(RECIPES.values()), device, 0, 3))))
    chosen = RECIPES["cpm-s"]
    everywhere, final = (gradient_by_depth(chosen, supervision, 20, 4) for supervision in ("everywhere", "final"))
    ratios = [a.rms / max(b.rms, 1e-30) for a, b in zip(everywhere, final, strict=True)]
    write_png(draw_gradients(everywhere, final), out)
    print(
        f"`{chosen.name}`: with a loss after every stage, {ratios[0]:.0f} times as much gradient reaches the first layer as with "
        f"one at the end, {ratios[-1]:.1f} times as much the last ({out.name}; Wei et al. 2016, Figure 5)."
    )


def _samples_in_markdown(data: str, workers: int) -> str:
    import torch

    from poseapp.bench.training import loaded_and_trained, sample_ms, size_of
    from poseapp.train.recipes import RECIPES

    recipe = RECIPES["hourglass-s"]
    parts = sample_ms(recipe, data)
    loaded, trained = loaded_and_trained(recipe, data, workers, 10)
    rows = [[f"{name}, ms a sample", f"{ms:.2f}"] for name, ms in parts.items()]
    rows += [
        [f"loader, {workers} processes, images/s", f"{loaded:.0f}"],
        [f"training steps, CPU, {torch.get_num_threads()} threads, images/s", f"{trained:.0f}"],
        ["**loader / training**", f"**{loaded / trained:.1f}**"],
    ]
    return markdown([f"`{recipe.name}` at {size_of(recipe)}", ""], rows) + "\n"


def _rates_in_markdown(measured: Sequence[Rate]) -> str:
    from poseapp.bench.training import images, size_of

    by_recipe: dict[str, list[Rate]] = {}
    for rate in measured:
        by_recipe.setdefault(rate.recipe.name, []).append(rate)
    first = next(iter(by_recipe.values()))
    heads = ["recipe", "input", "batch", *(f"{rate.recipe.precision}, images/s" for rate in first)]
    rows = [
        [f"`{name}`", size_of(found[0].recipe), str(found[0].batch), *(images(rate.per_s) for rate in found)]
        for name, found in by_recipe.items()
    ]
    return markdown(heads, rows) + "\n"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: the first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
