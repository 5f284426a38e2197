"""Reads files of weights from outside with care: only tensors and plain values, never Python code."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseapp.convert.checkpoints.layout import State
from poseapp.core.errors import CheckpointError

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "model.", "ema_model.")
_COMPILED = "_orig_mod."  # torch.compile puts it before the names of whatever it compiles, whole or in part


def read_state(path: Path) -> dict[str, Tensor]:
    """The weights in *path* by name, without wrappers and prefixes that all of them carry, on the CPU.

    Only tensors and plain values are read: CheckpointError on a pickle that names Python code, on a
    damaged file, on one without weights, and on weights that are all zero or not finite.
    """
    try:
        with torch.serialization.safe_globals(_plain_types()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols; a file that cannot be read raises
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file. Give the path of a .pth or .pt file.") from None
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise CheckpointError(f"{path}: not a PyTorch checkpoint, or damaged. Download it again.") from None
        raise CheckpointError(
            f"{path}: expected weights alone, got Python code ({code.group(1)}), which is not run. "
            'Where you trust the file, save it again as torch.save({"state_dict": model.state_dict()}, …).'
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or error}). Give the path of a .pth or .pt file."
        ) from None
    except Exception:  # noqa: BLE001 - what a damaged file raises depends on where the file is damaged
        raise CheckpointError(f"{path}: not a PyTorch checkpoint, or damaged. Download it again.") from None
    state = _unwrap(content)
    if not state:
        raise CheckpointError(f"{path}: expected a dictionary of weights, found none. Give a checkpoint of one of our networks.")
    _require_sound(state, str(path))
    return state


class _Ignored:
    """Stands in for a training log in a checkpoint: takes whatever state it is given and does nothing."""

    def __setstate__(self, state: object) -> None:
        pass


def _plain_types() -> list[Any]:
    """What a checkpoint may hold beside tensors: numpy values, and logs of MMEngine, which are ignored."""
    import numpy as np

    reconstruct = np.array(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(c)) for c in "?bBhHiIlLqQefdSU"}]
    # numpy 1 and 2 name the same functions differently; files carry either name.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        types += [(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")]
    return [*types, (_Ignored, "mmengine.logging.history_buffer.HistoryBuffer")]


def _unwrap(content: Any) -> dict[str, Tensor]:
    while isinstance(content, dict):
        inner = next((content[w] for w in _WRAPPERS if isinstance(content.get(w), dict)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict):
        return {}
    state = {str(k).replace(_COMPILED, ""): v for k, v in content.items() if isinstance(v, Tensor)}
    # A counter beside the weights, such as that of averaged ones, has no dot.
    while named := [k for k in state if "." in k]:
        prefix = next((p for p in _PREFIXES if all(k.startswith(p) for k in named)), None)
        if prefix is None:
            break
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _require_sound(state: State, where: str) -> None:
    """Raise CheckpointError unless *state* are plain numbers, finite, and not all of them zero."""
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise CheckpointError(f"{where}: {name[:80]}: expected plain numbers. Save the weights in float32.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{where}: {name[:80]}: expected finite numbers, got NaN or infinity. The file is damaged.")
    weights = [tensor for tensor in state.values() if tensor.ndim >= 2]
    if weights and not any(bool(tensor.any()) for tensor in weights):
        raise CheckpointError(f"{where}: expected trained weights, got zeros alone. The file holds no training: get another.")
