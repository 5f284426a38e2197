"""The averaged weights of a training alone: ``python -m poseapp.train.strip_checkpoint RUN OUT.pt``, large ones in FP16.

A checkpoint holds four numbers a weight, to go on from; this holds half a number, to carry. It can be exported, begun from and
learnt from, but not resumed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer

from poseapp.console import run_module
from poseapp.core.errors import CheckpointError, first_line
from poseapp.train import checkpoint


def strip(source: Path, out: Path) -> int:
    """Write the stripped form of the checkpoint *source* to *out*; returns its size in bytes.

    Weights of convolutions are halved; vectors, among them BatchNorm's statistics, stay as they are. Raises CheckpointError.
    """
    state = checkpoint.read(source)
    ema = {name: value.half() if value.is_floating_point() and value.ndim > 1 else value for name, value in state.ema.items()}
    stripped = dataclasses.replace(state, ema=ema, net={}, optimiser={}, scaler={})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        torch.save(vars(stripped), out)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{out}: cannot be written ({first_line(error)}). Give another place.") from None
    return out.stat().st_size


def main(
    run: Annotated[Path, typer.Argument(help="A run's folder, or one of its checkpoints.")],
    out: Annotated[Path, typer.Argument(help="The file to write, .pt.")],
) -> None:
    """Write a run's averaged weights alone, for export elsewhere."""
    size = strip(run / "last.pt" if run.is_dir() else run, out)
    typer.echo(f"{out}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    run_module(lambda: typer.run(main))
