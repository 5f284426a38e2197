"""The command ``poseapp bench gpu``; ``python -m poseapp.bench gpu`` is the same without the packages of the command line."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from poseapp.bench.gpu.measuring import measure_rates, run
from poseapp.bench.gpu.report import report, write_report
from poseapp.bench.gpu.subjects import subjects
from poseapp.bench.gpu.ways import COMPILED, WAYS
from poseapp.engine import driver
from poseapp.engine.store import default_engines_dir


def main(arguments: Sequence[str]) -> int:
    """Measure networks on this machine's NVIDIA GPU and print a Markdown report; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    known = subjects(options.engines_dir)
    names = [subject.spec.name for subject in known]
    if set(options.network) - set(names):
        parser.error(f"--network: expected some of {', '.join(names)}.")
    reason = unavailable()
    if reason:
        _say(f"The GPU benchmark cannot run here: {reason}")
        return 1
    device = torch.device("cuda", 0)
    torch.backends.cudnn.benchmark = True
    rates = measure_rates(device)
    chosen = [subject for subject in known if not options.network or subject.spec.name in options.network]
    ways = [way for way in WAYS if not (options.no_compile and way == COMPILED)]
    keep = functools.partial(write_report, options.out, rates) if options.out is not None else lambda _lines: None
    print(report(run(chosen, device, options.seconds, ways, said=_say, kept=keep), rates))
    return 0


def _parser() -> argparse.ArgumentParser:
    """argparse, not typer: a borrowed GPU machine need not have typer."""
    parser = argparse.ArgumentParser(
        prog="poseapp bench gpu",
        description="Measure how fast networks are on this machine's NVIDIA GPU with PyTorch and TensorRT.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=2.0, metavar="SECONDS", help="How long each line is measured. Default: 2."
    )
    parser.add_argument(
        "--network",
        action="append",
        default=[],
        metavar="NAME",
        help="Measure this network alone. May be given several times. Default: all of them.",
    )
    parser.add_argument("--no-compile", action="store_true", help="Leave out torch.compile, which takes minutes.")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="Write the report to this file too, and its figures beside it as JSON."
    )
    parser.add_argument(
        "--engines-dir",
        type=Path,
        default=default_engines_dir(),
        metavar="FOLDER",
        help="The folder with the models. Default: your own models and those that come with the app.",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0.1:
        raise argparse.ArgumentTypeError(f"expected at least 0.1, got {text}")
    return value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def unavailable() -> str:
    """Why nothing can be measured here, in one line; "" when something can."""
    gpu = driver.find_gpu()
    if isinstance(gpu, str):
        return f"{gpu}."
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} has no CUDA. Install a build with CUDA as pytorch.org says."
    return ""
