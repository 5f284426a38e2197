"""The Engine protocol: what every backend promises."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poseapp.core.errors import EngineError, PoseAppError, first_line
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray

# Hears what is being done and the share done so far, 0..1; False from it cancels.
Progress = Callable[[str, float], bool]


@dataclass(frozen=True)
class Backend:
    """What really runs, asked of the runtime after loading and not of the request.

    ``runtime`` name and version, such as "ONNX Runtime 1.31"; ``device`` such as "CPU" or the GPU's name;
    ``precision`` "FP32", "FP16" or "INT8"; ``fallback`` why this is not what was asked for, or "".
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

    ``keypoints`` (N, K, 3) float32: x, y in input px, score in 0..1;
    ``heatmaps`` (N, K, h, w) float32, or None when not asked for; ``fields`` (N, 2 L, h, w) float32, the part affinity
    fields of the skeleton's L limbs as ``poseapp.core.paf`` orders them: given with the heatmaps by networks that have some.
    """

    keypoints: FloatArray
    heatmaps: FloatArray | None = None
    fields: FloatArray | None = None


class Engine(Protocol):
    """A loaded model. It is made, used and closed on one thread; an Output is valid until the next infer."""

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        ...

    @property
    def backend(self) -> Backend:
        """What really runs."""
        ...

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """Joints of *crops* (N, H, W, 3) uint8 BGR; raises EngineError when the backend fails."""
        ...

    def close(self) -> None:
        """Give back memory and device; safe to call twice."""
        ...


@contextlib.contextmanager
def foreign_errors(who: str, last_word: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Whatever a foreign library raises as an EngineError of one line that begins with *who*.

    Libraries for GPUs raise what their bindings make of it: a TypeError where a factory returned nothing, an OSError at an
    import. *last_word* is what the library logged last, which often says more.
    """
    try:
        yield
    except PoseAppError:
        raise
    except Exception as error:
        said = last_word()
        raise EngineError(f"{who} failed ({first_line(error)}{f'; {said}' if said else ''}). Choose another device.") from error


def check_crops(crops: ImageArray, spec: ModelSpec) -> None:
    """Raise ValueError unless *crops* is what a model with *spec* takes."""
    want = (*spec.input_hw, 3)
    if crops.ndim != 4 or crops.shape[1:] != want or crops.dtype.name != "uint8" or len(crops) == 0:
        raise ValueError(f"{spec.name}: expected crops N×{'×'.join(map(str, want))} uint8, got {crops.shape} {crops.dtype}")


def check_graph(
    path: Path, spec: ModelSpec, inputs: Mapping[str, Sequence[int | None]], outputs: Collection[str]
) -> tuple[str, ...]:
    """The outputs of the graph at *path* that are maps: "heatmaps", and "fields" where it has some.

    *inputs* are its inputs' sizes by name, without the batch. EngineError when it is not a graph that *spec* speaks of.
    """
    want = [*spec.input_hw, 3]
    if {name: list(shape) for name, shape in inputs.items()} != {"crops": want} or not {"keypoints", "heatmaps"} <= set(outputs):
        raise EngineError(
            f"{path}: expected input crops N×{want[0]}×{want[1]}×3 and outputs keypoints, heatmaps; got {dict(inputs)} and "
            f"{sorted(outputs)}. Export it with this version of the app."
        )
    return ("heatmaps", "fields") if "fields" in outputs else ("heatmaps",)
