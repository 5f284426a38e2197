"""From a network to a model of the store: the ONNX graph, model.json and the card."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from poseapp.convert.half import write_half
from poseapp.core.errors import CheckpointError
from poseapp.core.files import atomic_path, sha256_file
from poseapp.core.spec import ModelSpec
from poseapp.engine.model_folder import ModelFolder
from poseapp.nets.deploy import Deploy

OPSET = 17


class Exportable(Protocol):
    """A module from ``crops`` (N, H, W, 3) uint8 BGR to tensors with the names *outputs*, each with N in front."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the graph's outputs, in order."""
        ...

    def eval(self) -> Any:
        """Ready for use, as nn.Module has it."""
        ...


def export_onnx(deploy: Exportable, input_hw: tuple[int, int], path: Path) -> str:
    """Write *deploy* to *path* as ONNX with a dynamic batch; returns the file's SHA-256.

    The file is written beside *path* and renamed, so a half-written model is never seen.
    """
    module = _with_unit_statistics(deploy.eval())
    crops = torch.zeros(2, *input_hw, 3, dtype=torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (crops,),
            str(part),
            dynamo=False,
            opset_version=OPSET,
            input_names=["crops"],
            output_names=list(deploy.outputs),
            dynamic_axes={name: {0: "n"} for name in ("crops", *deploy.outputs)},
        )
    return sha256_file(path)


def _with_unit_statistics(module: nn.Module) -> nn.Module:
    """A copy of *module* that computes the same, with BatchNorm's means and variances in its scales and shifts.

    The variance of a sum of many residuals can be above 65,504, the largest number of FP16; the scale by it is small.
    """
    out = copy.deepcopy(module)
    for norm in out.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.affine and norm.running_mean is not None and norm.running_var is not None:
            scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            norm.bias.data = (norm.bias.double() - norm.running_mean.double() * scale).float()
            norm.weight.data = (scale * math.sqrt(1 + norm.eps)).float()
            norm.running_mean.zero_()
            norm.running_var.fill_(1)
    return out


def export_model(deploy: Deploy, spec: ModelSpec, folder: ModelFolder, fp16: bool = False) -> ModelSpec:
    """Write model.onnx, model.fp16.onnx if requested, and model.json to *folder*; returns the spec that was written.

    The hashes of *spec* do not matter: the written spec has those of the files.
    """
    spec = dataclasses.replace(spec, weights_sha256=export_onnx(deploy, spec.input_hw, folder.file()), variants={})
    if fp16:
        write_half(folder.file(), folder.file("fp16"))
        spec = folder.with_variants(spec, "fp16")
    folder.write_spec(spec)
    return spec


def write_model(deploy: Deploy, spec: ModelSpec, card: str, folder: Path, fp16: bool = False, replace: bool = False) -> ModelSpec:
    """Write *deploy* as a model of the store with its *card*; returns the spec as ``export_model`` does.

    The store never shows half a model. Raises ModelError when the folder cannot be written, or exists and *replace* is not
    set; CheckpointError when the written graph and the network give different results.
    """
    with ModelFolder(folder).made_anew(replace) as made:
        spec = export_model(deploy, spec, made, fp16)
        check_parity(deploy, spec, made.file())
        made.write_card(card)
    return spec


def check_parity(deploy: Deploy, spec: ModelSpec, path: Path, tolerance: float = 1e-4) -> None:
    """Raise CheckpointError unless the graph at *path* gives the network's maps on noise, and other maps on other noise.

    *tolerance* is a part of the largest value. Weights that give infinities or NaN fail, too, and so do empty weights, whose
    maps do not depend on the picture.
    """
    import onnxruntime

    crops = np.random.default_rng(0).integers(0, 256, (2, *spec.input_hw, 3), np.uint8)
    with torch.no_grad():
        expected = deploy.eval()(torch.from_numpy(crops))[1:]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(deploy.outputs[1:]), {"crops": crops})
    for name, want, got in zip(deploy.outputs[1:], (maps.numpy() for maps in expected), found, strict=True):
        scale = float(np.abs(want).max())
        if not np.isfinite(scale) or not np.allclose(got, want, rtol=0, atol=tolerance * max(scale, 1e-6)):
            worst = float(np.abs(got - want).max())
            raise CheckpointError(
                f"{spec.name}: expected the exported graph to give the network's {name}, got a difference of {worst:.3g} "
                f"where the largest is {scale:.3g}. The weights are damaged: download them again."
            )
        if np.array_equal(want[0], want[1]):
            raise CheckpointError(
                f"{spec.name}: expected {name} that depend on the picture, got the same for every one. "
                "The weights are empty or damaged: get others."
            )
