"""The backends: one entry for each. Loading, menus, help and the choices of the command line follow from the entries.

A new backend is a module with the four functions of ``BackendModule``, its entry in ``BACKENDS``, and its line in
tests/engine/test_contract.py.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from poseapp.core.errors import first_line
from poseapp.core.spec import ModelSpec, Precision
from poseapp.engine.base import BaseEngine, Progress, is_own_mistake

Kind = Literal["CPU", "GPU"]


class BackendModule(Protocol):
    """The functions of a backend's module, which is imported only when somebody asks for this backend.

    ``unavailable`` comes first. Only where it returns "", the other functions are called: ``version`` and
    ``builds_first`` to decide, then ``open_engine``, whose caller closes the engine (see Engine).
    """

    def unavailable(self) -> str:
        """Why the backend cannot be used here, in one line with what to install; "" when it can be used.

        May ask drivers and import large libraries. Raises nothing.
        """
        ...

    def version(self) -> str:
        """The version of the runtime. Timings and plans of another version are not used."""
        ...

    def builds_first(self, folder: Path, spec: ModelSpec, precision: str) -> bool:
        """Whether opening the model in *folder* takes a second or longer, so that another engine should serve meanwhile."""
        ...

    def open_engine(self, folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> BaseEngine:
        """The model in *folder* in an engine.

        *precision* is one of the entry's; for a GPU it may be "auto". *threads* 0 is the usual number; a GPU ignores it.
        Raises ModelError when the folder has no such file, EngineError when the backend cannot run it or *progress* cancels.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class BackendEntry:
    """A backend.

    ``name`` is for the command line and the settings, ``label`` and ``tip`` for menus. ``precisions`` are those that it runs.
    ``module`` has the functions of ``BackendModule``. "cpu" stands for the fastest of the CPU's backends.
    """

    name: str
    label: str
    tip: str
    kind: Kind
    precisions: tuple[Precision, ...]
    module: str

    def load(self) -> BackendModule:
        """Import its module. A broken library raises anything here."""
        return cast("BackendModule", importlib.import_module(self.module))


PLAIN = "onnxruntime"  # runs everywhere and is what others are compared with; "cpu" stands for it in menus

# Menus have this order. "auto" tries the GPUs from the last to the first, then the CPU.
BACKENDS: dict[str, BackendEntry] = {
    entry.name: entry
    for entry in (
        BackendEntry(
            name=PLAIN,
            label="ONNX Runtime",
            tip="The processor, with ONNX Runtime",
            kind="CPU",
            precisions=("fp32", "int8"),
            module="poseapp.engine.onnxruntime",
        ),
        BackendEntry(
            name="openvino",
            label="OpenVINO",
            tip="The processor, with Intel's OpenVINO",
            kind="CPU",
            precisions=("fp32", "int8"),
            module="poseapp.engine.openvino",
        ),
        BackendEntry(
            name="cuda",
            label="CUDA",
            tip="An NVIDIA GPU, with PyTorch",
            kind="GPU",
            precisions=("fp32", "fp16"),
            module="poseapp.engine.torch.engine",
        ),
        BackendEntry(
            name="tensorrt",
            label="TensorRT",
            tip="An NVIDIA GPU, for which an engine is built once",
            kind="GPU",
            precisions=("fp32", "fp16", "int8"),
            module="poseapp.engine.tensorrt.engine",
        ),
    )
}


def device_labels() -> dict[str, str]:
    """What can be chosen as a device, with its label in menus: "auto", "cpu" and the backends by name."""
    return {"auto": "Automatic", "cpu": "CPU", **{entry.name: entry.label for entry in _chosen_alone()}}


def device_tips() -> dict[str, str]:
    """Where each device of ``device_labels`` runs a model, in one line."""
    tips = {"auto": "The fastest device of this computer", "cpu": "The processor, with the fastest runtime"}
    return {**tips, **{entry.name: entry.tip for entry in _chosen_alone()}}


def gpu_backends(device: str) -> tuple[BackendEntry, ...]:
    """The GPUs' backends that *device* stands for, the one to try first in front; none for a CPU's."""
    gpus = tuple(entry for entry in reversed(BACKENDS.values()) if entry.kind == "GPU")
    return gpus if device == "auto" else tuple(entry for entry in gpus if entry.name == device)


def cpu_backends(device: str) -> tuple[BackendEntry, ...]:
    """The CPU's backends that *device* stands for, the plain one in front: all of them unless *device* is one of them."""
    one = one_of_cpu(device)
    return (one,) if one is not None else tuple(entry for entry in BACKENDS.values() if entry.kind == "CPU")


def one_of_cpu(device: str) -> BackendEntry | None:
    """The CPU's backend that *device* names; None for "auto", "cpu" and the GPUs'."""
    entry = BACKENDS.get(device)
    return entry if entry is not None and entry.kind == "CPU" else None


def unavailable(device: str) -> str:
    """Why *device* of ``device_labels`` cannot be used here, in one line with what to install; "" when it can be used.

    Asks drivers and may import large libraries: not for the UI thread.
    """
    if device not in BACKENDS:
        return ""  # "auto" and "cpu" can always be used
    try:
        return BACKENDS[device].load().unavailable()
    except Exception as error:
        if is_own_mistake(error):
            raise
        return f"{device}: it cannot be used ({first_line(error).rstrip('.')}). Install it again."


def _chosen_alone() -> tuple[BackendEntry, ...]:
    return tuple(entry for entry in BACKENDS.values() if entry.name != PLAIN)
