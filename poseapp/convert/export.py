"""From a network to a model of the store: the ONNX graph, model.json and the card."""

from __future__ import annotations

import copy
import dataclasses
import math
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from poseapp.convert.half import write_half
from poseapp.core.errors import CheckpointError, ModelError
from poseapp.core.files import atomic_folder, atomic_path, no_empty_folders, only_one, sha256_file
from poseapp.core.spec import ModelSpec
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


def write_model(deploy: Deploy, spec: ModelSpec, card: str, folder: Path, fp16: bool = False, replace: bool = False) -> ModelSpec:
    """Write *deploy* as a model of the store: model.onnx, model.json, README.md, and model.fp16.onnx if asked for.

    *spec* comes with any hash; the one written, and returned, has the hash of model.onnx. The store never shows half a
    model.
    Raises ModelError when the folder cannot be written, is there already and *replace* is not set, or when the
    written graph does not compute what the network does.
    """
    with no_empty_folders(folder.parent), in_place_of(folder, replace) as made:
        spec = dataclasses.replace(spec, weights_sha256=export_onnx(deploy, spec.input_hw, made / "model.onnx"))
        check_parity(deploy, spec, made / "model.onnx")
        if fp16:
            half = write_half(made / "model.onnx", made / "model.fp16.onnx")
            spec = dataclasses.replace(spec, variants={"fp16": half})
        (made / "model.json").write_text(spec.to_json(), encoding="utf-8")
        (made / "README.md").write_text(card, encoding="utf-8")
    return spec


@contextmanager
def in_place_of(folder: Path, replace: bool = True) -> Iterator[Path]:
    """A folder to make a model in; when the block ends well it takes the place of *folder*, else *folder* stays as it was.

    What people wrote about the model, about.md, comes along. Raises ModelError when the store cannot be written, when *folder*
    is there and not to be *replace*d, and when another process is making a model of this name: the first one goes on.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with only_one(folder.parent / f".{folder.name}.lock") as alone:
            if not alone:
                raise ModelError(f"{folder}: a model of this name is being made right now. Wait for it, or give another name.")
            if not replace and folder.exists() and any(path.name != "about.md" for path in folder.iterdir()):
                raise ModelError(f"{folder}: a model of this name is there already. Give another with --name, or --replace it.")
            with atomic_folder(folder) as made:
                if (folder / "about.md").is_file():
                    shutil.copy(folder / "about.md", made)
                yield made
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror}). Free some space, or use another --engines-dir."
        ) from None


def check_parity(deploy: Deploy, spec: ModelSpec, path: Path, tolerance: float = 1e-4) -> None:
    """Raise CheckpointError unless the graph at *path* gives the network's maps on noise, and other maps on other noise.

    *tolerance* is in parts of the largest value; weights that give infinities or NaN fail too, and empty ones, whose maps do
    not depend on the picture.
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
