"""Reads files of weights from outside with care: numbers alone, never Python code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poseapp.convert.checkpoints.layout import State
from poseapp.convert.checkpoints.pickled import BYTES, StoredTensor, Unread
from poseapp.convert.checkpoints.torch_file import SAVE_AGAIN, Array, TorchFile, opened
from poseapp.core.errors import CheckpointError

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "model.", "ema_model.")
_COMPILED = "_orig_mod."  # torch.compile puts it before the names of whatever it compiles, whole or in part
_MAX_WRAPPERS = 8


def read_state(path: Path) -> dict[str, Array]:
    """The weights in *path* by name, without wrappers and prefixes that all of them carry.

    Objects beside the weights, such as an optimizer or a log, are passed over and nothing of them is run: CheckpointError on a
    file that names functions to call, on a damaged file, on one without weights, and on weights that are all zero or not finite.
    """
    with opened(path) as file:
        found = _unwrap(file.content)
        if not found:
            whole = file.content.name if isinstance(file.content, Unread) else ""
            raise CheckpointError(
                f"{path}: expected weights alone, got a Python object ({whole[:80]}), which is not made. {SAVE_AGAIN}"
                if whole.isprintable() and whole
                else f"{path}: expected a dictionary of weights, found none. Give a checkpoint of one of our networks."
            )
        state = {name: _plain(file, value, f"{path}: {name[:80]}") for name, value in found.items()}
    _require_sound(state, str(path))
    return state


def read_content(path: Path) -> Any:
    """All that was saved in *path*, with arrays in place of tensors: a checkpoint of a training.

    Raises CheckpointError, also on a file that holds more than numbers, texts, lists and dictionaries.
    """
    with opened(path) as file:
        return _Arrays(file, path).of(file.content)


class _Arrays:
    """Makes arrays of all tensors in nested values; each object once, however often it stands there."""

    def __init__(self, file: TorchFile, path: Path) -> None:
        self._file, self._path = file, path
        self._made: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """*value* with arrays. RecursionError where it holds itself, or is nested without end."""
        if not isinstance(value, dict | list | tuple | StoredTensor | Unread):
            return value
        if id(value) not in self._made:
            self._made[id(value)] = self._new(value)
        return self._made[id(value)]

    def _new(self, value: Any) -> Any:
        if isinstance(value, StoredTensor):
            return self._file.array(value)
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, Unread):
            what = f"a Python object ({value.name[:80]!a})"
            raise CheckpointError(f"{self._path}: expected numbers alone, got {what}. {SAVE_AGAIN}")
        return type(value)(self.of(item) for item in value)


def _unwrap(content: Any) -> dict[str, StoredTensor | Unread]:
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(content, dict):
            return {}
        inner = next((content[w] for w in _WRAPPERS if isinstance(content.get(w), dict)), None)
        if inner is None:
            break
        content = inner
    state = {str(k).replace(_COMPILED, ""): v for k, v in content.items() if _is_tensor(v)}
    # A counter beside the weights, such as that of averaged ones, has no dot.
    while named := [k for k in state if "." in k]:
        prefix = next((p for p in _PREFIXES if all(k.startswith(p) for k in named)), None)
        if prefix is None:
            break
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _is_tensor(value: object) -> bool:
    """Whether *value* is a tensor, of whatever kind: those that cannot be read are refused by name, not passed over."""
    return isinstance(value, StoredTensor) or (isinstance(value, Unread) and value.name.startswith("torch._utils._rebuild"))


def _plain(file: TorchFile, value: StoredTensor | Unread, where: str) -> Array:
    if isinstance(value, Unread) or value.storage.dtype.startswith(("complex", "q")) or value.storage.dtype not in BYTES:
        raise CheckpointError(f"{where}: expected plain numbers. Save the weights in float32.")
    return file.array(value)


def _require_sound(state: State, where: str) -> None:
    """Raise CheckpointError unless the numbers of *state* are finite, and not all of them zero."""
    for name, tensor in state.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{where}: {name[:80]}: expected finite numbers, got NaN or infinity. The file is damaged.")
    weights = [tensor for tensor in state.values() if tensor.ndim >= 2]
    if weights and not any(tensor.any() for tensor in weights):
        raise CheckpointError(f"{where}: expected trained weights, got zeros alone. The file holds no training: get another.")
