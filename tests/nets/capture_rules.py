"""Would this PyTorch code survive a CUDA graph capture? Answered without a GPU, and without a CUDA build of PyTorch.

A device "gpu" is made whose tensors hold CPU tensors, so results are real. Every operator passes through ``_run``, which
notes what CUDA forbids while a stream is captured: a copy between host and GPU, waiting for a value, and what any GPU
refuses, operands on two devices (PyTorch's aten/src/ATen/native/cuda/Copy.cu says the first in these words).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("gpu")
GPU = torch.device("gpu", 0)
_WAITS = {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal"}
_COPIES_NUMBERS_UP = {"where", "cat", "stack", "gather", "index_select", "index"}

_notes: list[str] | None = None  # None: nothing is captured


class OnGpu(torch.Tensor):
    """A tensor on the made-up GPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        made: OnGpu = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=GPU
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _run(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, list) for part in parts):  # PyTorch makes a host tensor of it and copies that up, each time
            _note("a Python list as an index is copied up")
            index = tuple(OnGpu(torch.tensor(part)) if isinstance(part, list) else part for part in parts)
        return super().__getitem__(index)


def up(tensor: Tensor) -> OnGpu:
    """*tensor* on the made-up GPU."""
    return OnGpu(tensor.detach())


def module_up(module: nn.Module) -> nn.Module:
    """*module* with its weights and buffers there."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in list(tensors.items()):
                if tensor is not None:
                    tensors[name] = up(tensor.data)  # type: ignore[assignment]
    return module


def broken_rules(make: Callable[[], tuple[Callable[..., Any], Tensor]]) -> list[str]:
    """What the callable that *make* gives does to its tensor that no capture allows, each with its place; [] is well.

    It runs once before, as on a real GPU: what is copied then, and kept, is no fault.
    """
    global _notes
    with torch.no_grad(), _Everything():  # type: ignore[no-untyped-call]
        call, given = make()
        call(given)
        _notes = []
        try:
            call(given)
        except Exception as error:
            _note(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        found, _notes = _notes, None
    return found


class _Everything(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _note(what: str) -> None:
    if _notes is not None:
        ours = [frame for frame in traceback.extract_stack() if "/poseapp/" in frame.filename.replace("\\", "/")]
        place = f" at {ours[-1].name}: {ours[-1].line}" if ours else ""
        _notes.append(what + place)


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "gpu"


def _held(x: Any) -> Any:
    return x.held if isinstance(x, OnGpu) else x


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.overloadpacket.__name__
    given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    on, off = [t for t in given if isinstance(t, OnGpu)], [t for t in given if not isinstance(t, OnGpu)]
    if name == "_to_copy":
        return _converted(func, args[0], kwargs)
    if name == "copy_":
        _note_copy(isinstance(args[1], OnGpu), isinstance(args[0], OnGpu))
        _held(args[0]).copy_(_held(args[1]))
        return args[0]
    if on:
        _note_operands(name, off)
    makes = _is_gpu(kwargs.get("device"))
    kwargs = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    if makes:
        kwargs["device"] = "cpu"
    out = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if not (makes or on):
        return out
    known = {id(t.held): t for t in on}  # in-place operators give back what they were given

    def placed(x: Any) -> Any:
        if not isinstance(x, Tensor) or isinstance(x, OnGpu):
            return x
        return known[id(x)] if id(x) in known else up(x)

    return tree_map(placed, out)


def _converted(func: Any, source: Tensor, kwargs: dict[str, Any]) -> Any:
    device = kwargs.get("device")
    to_gpu = isinstance(source, OnGpu) if device is None else _is_gpu(device)
    _note_copy(isinstance(source, OnGpu), to_gpu)
    out = func(_held(source), **{key: kwargs[key] for key in kwargs if key not in ("device", "pin_memory", "non_blocking")})
    return up(out) if to_gpu else out


def _note_copy(from_gpu: bool, to_gpu: bool) -> None:
    if from_gpu != to_gpu:
        _note("a copy up" if to_gpu else "a copy down")


def _note_operands(name: str, off: list[Tensor]) -> None:
    if name in _WAITS:
        _note(f"{name} waits for the GPU")
    if any(t.ndim > 0 for t in off):
        _note(f"{name} takes tensors of the host")
    elif off and name in _COPIES_NUMBERS_UP:
        _note(f"{name} copies a number of the host up")
