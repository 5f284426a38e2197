"""What every backend promises (Engine), and what all of them share (BaseEngine)."""

from __future__ import annotations

import contextlib
import dataclasses
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from poseapp import resources
from poseapp.core.errors import EngineError, PoseAppError, first_line
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray

# Is called with what is being done and the share done so far, 0..1. When it returns False, the work is cancelled.
Progress = Callable[[str, float], bool]


# The outputs of a model beside the joints, in the order of Output's fields. No model has all of them.
MAPS = ("heatmaps", "fields", "people")


@dataclass(frozen=True)
class Backend:
    """What really runs, as the runtime says after loading.

    ``runtime`` name and version, such as "ONNX Runtime 1.31"; ``device`` such as "CPU" or the GPU's name;
    ``precision`` "FP32", "FP16" or "INT8"; ``fallback`` why this is not what was requested, or "".
    """

    runtime: str
    device: str
    precision: str
    fallback: str = ""

    def __str__(self) -> str:
        return f"{self.runtime} · {self.device} · {self.precision}"


@dataclass(frozen=True, eq=False)
class Output:
    """What a network finds in N crops.

    ``keypoints`` (N, K, 3) float32: x, y in input px, score in 0..1. ``heatmaps`` (N, K, h, w) float32, or None when not
    requested. ``fields`` (N, 2 L, h, w) float32 are the part affinity fields of the skeleton's L limbs, in the order of
    ``poseapp.core.paf``: a network that has some gives them with the heatmaps. A one-stage network has no heatmaps: then
    ``people`` (N, M, K, 3) float32 are the joints of at most M people in each crop, the surest first, rows of zeros behind them,
    and ``keypoints`` are those of the first.
    """

    keypoints: FloatArray
    heatmaps: FloatArray | None = None
    fields: FloatArray | None = None
    people: FloatArray | None = None

    @classmethod
    def of(cls, names: Sequence[str], values: Sequence[FloatArray]) -> Output:
        """The Output whose fields *names* are *values*; the names are those of a graph's outputs."""
        return cls(**dict(zip(names, values, strict=True)))


class Engine(Protocol):
    """A loaded model.

    One thread does all of this, in this order:

    1. ``load_engine`` makes the engine and runs it once, so that the first frame does not wait;
    2. ``infer``, as often as there are frames; the arrays of an Output are valid until the next ``infer``;
    3. ``close``, once or more often. The caller of ``load_engine`` closes the engine, on the same thread, also after an
       error. In the app this is the model's thread, when it ends or when another model has taken over. In a command it is the
       function that loaded the engine. After ``close`` only ``spec`` and ``backend`` may be used.

    Another thread must not call any of them. It may have an engine of its own for the same model.
    """

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        ...

    @property
    def backend(self) -> Backend:
        """What really runs."""
        ...

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """The joints in *crops* (N, H, W, 3) uint8 BGR; with *heatmaps* the maps that they were read from, too.

        Raises ValueError when *crops* are of another kind, EngineError when the engine is closed or the backend fails.
        """
        ...

    def close(self) -> None:
        """Free memory and device; safe to call twice."""
        ...


class BaseEngine(ABC):
    """The common part of all engines: ``infer`` checks and calls the backend's ``_infer``, ``close`` calls ``_close`` once.

    *maps* are those of ``MAPS`` that the model has. When the constructor of a subclass fails, it may call ``close`` to free
    what it has, even before this constructor has run.
    """

    _closed = False

    def __init__(self, spec: ModelSpec, backend: Backend, maps: tuple[str, ...]) -> None:
        self._spec, self._backend = spec, backend
        self._joints, self._joints_and_maps = ("keypoints",), ("keypoints", *maps)

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._spec

    @property
    def backend(self) -> Backend:
        """What really runs."""
        return self._backend

    def note_fallback(self, reason: str) -> None:
        """Say in ``backend`` that this engine runs in place of the requested one, and why."""
        self._backend = dataclasses.replace(self._backend, fallback=reason)

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """See Engine."""
        self._check(crops)
        names = self._names(heatmaps)
        return Output.of(names, self._infer(crops, names))

    def close(self) -> None:
        """See Engine."""
        if not self._closed:
            self._closed = True
            self._close()

    def _check(self, crops: ImageArray) -> None:
        """Raise ValueError unless *crops* are what the model takes, EngineError when the engine is closed."""
        check_crops(crops, self._spec)
        self._check_open()

    def _check_open(self) -> None:
        """Raise EngineError when the engine can no longer be used."""
        if self._closed:
            raise EngineError(f"{self._spec.name}: the engine is closed.")

    def _names(self, heatmaps: bool) -> tuple[str, ...]:
        """The outputs to ask the backend for, in the order of Output's fields."""
        return self._joints_and_maps if heatmaps else self._joints

    @abstractmethod
    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        """The outputs *names* of the model for *crops*, which were checked, in the same order. Raises EngineError."""

    @abstractmethod
    def _close(self) -> None:
        """Free memory and device; called once at most, also on an engine whose constructor has failed."""


def joined(parts: Sequence[Sequence[FloatArray]]) -> Sequence[FloatArray]:
    """Join the outputs of several batches to those of one batch: each of *parts* has the same outputs, in the same order."""
    return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@contextlib.contextmanager
def foreign_errors(who: str, last_word: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Whatever a foreign library raises becomes an EngineError of one line that begins with *who*.

    Libraries for GPUs raise whatever their bindings make of an error: a TypeError when a factory returned nothing, an OSError
    at an import. *last_word* is what the library logged last, which often says more. A mistake of this project is raised as
    it is.
    """
    try:
        yield
    except PoseAppError:
        raise
    except Exception as error:
        if is_own_mistake(error):
            raise
        said = last_word()
        raise EngineError(f"{who} failed ({first_line(error)}{f'; {said}' if said else ''}). Choose another device.") from error


def is_own_mistake(error: BaseException) -> bool:
    """Whether *error* can only come from a mistake in this project: a failed assertion, a missing name or a missing attribute.

    A missing attribute of a foreign object is no mistake: other versions of a library have other attributes.
    """
    frames = traceback.extract_tb(error.__traceback__, -1)
    if not frames or not Path(frames[0].filename).is_relative_to(_PACKAGE):
        return False
    if isinstance(error, AttributeError):
        return _is_ours(getattr(error, "obj", None))
    return isinstance(error, (AssertionError, NameError))


_PACKAGE = resources.in_package("").resolve()


def _is_ours(thing: object) -> bool:
    """Whether *thing* is a module, a class or an instance of a class of this project."""
    name = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
    return isinstance(name, str) and name.partition(".")[0] == "poseapp"


def check_crops(crops: ImageArray, spec: ModelSpec) -> None:
    """Raise ValueError unless *crops* is what a model with *spec* takes."""
    want = (*spec.input_hw, 3)
    if crops.shape[1:] != want or crops.dtype != np.uint8 or len(crops) == 0:
        raise ValueError(f"{spec.name}: expected crops N×{'×'.join(map(str, want))} uint8, got {crops.shape} {crops.dtype}")


def needed_outputs(spec: ModelSpec) -> tuple[str, str]:
    """The outputs that the graph of *spec* must have."""
    return "keypoints", "people" if spec.one_stage else "heatmaps"


def check_graph(
    path: Path, spec: ModelSpec, inputs: Mapping[str, Sequence[int | None]], outputs: Collection[str]
) -> tuple[str, ...]:
    """The outputs of the graph at *path* that are in ``MAPS``.

    *inputs* are the sizes of its inputs by name, without the batch. Raises EngineError when the graph does not fit *spec*.
    """
    want, needed = [*spec.input_hw, 3], needed_outputs(spec)
    if {name: list(shape) for name, shape in inputs.items()} != {"crops": want} or not set(needed) <= set(outputs):
        raise EngineError(
            f"{path}: expected input crops N×{want[0]}×{want[1]}×3 and outputs {', '.join(needed)}; got {dict(inputs)} and "
            f"{sorted(outputs)}. Export it with this version of the app."
        )
    return tuple(name for name in MAPS if name in outputs)
