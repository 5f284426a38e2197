"""The commands models build, prune and time: a model on this machine's GPU and CPU."""

from __future__ import annotations

import math
from typing import Annotated

import typer
from rich.table import Table

from poseapp.cli.options import EnginesDir, Stored, one_of
from poseapp.cli.progress import building
from poseapp.console import plain_console
from poseapp.core.errors import EngineError
from poseapp.core.spec import PRECISIONS
from poseapp.engine import choice
from poseapp.engine.driver import find_gpu
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import default_engines_dir, find_model, list_models
from poseapp.engine.tensorrt.plans import MAX_BATCH, precision_for, prune


def time_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model that `poseapp models` lists.", show_default="all of them")
    ] = None,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Time each runtime and precision of a model on this CPU; `--device cpu` takes the fastest one that agrees."""
    models = [find_model(engines_dir, name)] if name is not None else [m for m in list_models(engines_dir) if m.spec is not None]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("model", "runtime"):
        table.add_column(title, no_wrap=True)
    for title in ("ms a crop", "moves joints by"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    with building(plain_console(stderr=True)) as progress:
        for model in models:
            assert model.spec is not None, "others were refused or left out"
            among = choice.options(model.spec)
            timings = choice.measure(model.folder, model.spec, among, 0, progress)
            best = choice.fastest(among, timings)
            for timing in timings:
                figures = (f"{timing.ms:.1f}", f"{timing.px:.2f} px") if math.isfinite(timing.ms) else ("cannot run", "")
                table.add_row(model.name, str(timing.option), *figures, "taken" if timing.option == best else "")
    plain_console().print(table)


def build_command(
    name: Stored,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"How exactly the compiled model computes: {', '.join(PRECISIONS)}.",
            show_default="fp16 where the model has it",
            callback=one_of(*PRECISIONS),
        ),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="PEOPLE", help="The most people at once.", min=1, max=MAX_BATCH)] = MAX_BATCH,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Compile a model for this machine's NVIDIA GPU with TensorRT, and check the result. Ctrl-C cancels."""
    from poseapp.engine.tensorrt.engine import TrtEngine, unavailable

    model = find_model(engines_dir, name)
    assert model.spec is not None, "find_model gives usable ones"
    chosen = precision_for(model.spec, precision or "auto")
    ModelFolder(model.folder).graph(model.spec, chosen, "gpu")
    reason = unavailable()
    if reason:
        raise EngineError(reason)
    console = plain_console(stderr=True, soft_wrap=True)
    with building(console) as progress:
        engine = TrtEngine(model.folder, model.spec, chosen, batch, progress, rebuild=True)
    plan, difference = engine.plan, engine.difference_px
    engine.close()
    console.print(
        f"{plan.path}: {plan.info.plan_bytes / 1e6:.1f} MB, built in {plan.info.built_s:.1f} s by {plan.info.key.runtime} for "
        f"the {plan.info.key.gpu}; its joints are {difference:.3f} px from ONNX Runtime's."
    )


def prune_command(
    everything: Annotated[bool, typer.Option("--all", help="Remove all compiled models, also the good ones.")] = False,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Remove compiled models (plans) that are out of date, because the model, the GPU, the driver or TensorRT has changed."""
    gpu = find_gpu()
    folders = [(model.folder, model.spec) for model in list_models(engines_dir)]
    removed = prune(folders, None if isinstance(gpu, str) else gpu, everything)
    console = plain_console(stderr=True, soft_wrap=True)
    for one in removed:
        console.print(f"{one.path}: {one.because}")
    console.print(f"{len(removed)} files removed, {sum(one.nbytes for one in removed) / 1e6:.1f} MB.")
