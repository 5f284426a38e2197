"""A bundled model with an FP16 file, whether or not it is bundled with one."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from poseapp.core.spec import ModelSpec
from poseapp.nets.half import write_half


def with_fp16(source: Path, target: Path) -> Path:
    """Copy the graphs and model.json of *source* to *target*, and add model.fp16.onnx where there is none."""
    target.mkdir(parents=True)
    for path in (*source.glob("*.onnx"), source / "model.json"):
        shutil.copy(path, target)
    spec = ModelSpec.read(target / "model.json")
    if "fp16" not in spec.variants:
        half = target / "model.fp16.onnx"
        write_half(target / "model.onnx", half)
        sha256 = hashlib.sha256(half.read_bytes()).hexdigest()
        spec = replace(spec, variants={**spec.variants, "fp16": sha256})
        (target / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return target
