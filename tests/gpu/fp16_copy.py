"""A bundled model with an FP16 file, whether or not it is bundled with one."""

from __future__ import annotations

import shutil
from pathlib import Path

from poseapp.convert.half import halve
from poseapp.core.spec import ModelSpec


def with_fp16(source: Path, target: Path) -> Path:
    """Copy the graphs and model.json of *source* to *target*, and add model.fp16.onnx where there is none."""
    target.mkdir(parents=True)
    for path in (*source.glob("*.onnx"), source / "model.json"):
        shutil.copy(path, target)
    if "fp16" not in ModelSpec.read(target / "model.json").variants:
        halve(target)
    return target
