"""PyTorch on an NVIDIA GPU: where TensorRT cannot serve, and to compare TensorRT with.

It runs the graph in model.onnx node by node with torch's operators, so it has the weights and the arithmetic of every backend.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine import driver
from poseapp.engine.base import MAPS, Backend, BaseEngine, Progress, foreign_errors, joined, needed_outputs
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.torch.graph import Graph

if TYPE_CHECKING:
    from torch import Tensor

SIZES = (1, 2, 4, 8)
_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def unavailable() -> str:
    """Why PyTorch cannot use a GPU here, in one line; "" when it can. Imports torch only where there is a driver."""
    if importlib.util.find_spec("torch") is None:
        return "CUDA: PyTorch is not installed. Install it, with CUDA, as pytorch.org says."
    if importlib.util.find_spec("onnx") is None:
        return "CUDA: onnx is not installed. Install it with: pip install onnx"
    gpu = driver.find_gpu()
    if isinstance(gpu, str):
        return f"CUDA: {gpu}.{'' if driver.has_gpu() else ' It needs an NVIDIA GPU and its driver.'}"
    import torch

    built_for = torch.version.cuda
    if built_for is not None and (
        too_old := driver.too_old_because(gpu, f"PyTorch {torch.__version__}", int(built_for.split(".")[0]))
    ):
        return f"CUDA: {too_old}"
    with warnings.catch_warnings():  # it warns of what is returned here
        warnings.simplefilter("ignore")
        usable = torch.cuda.is_available()
    return (
        "" if usable else f"CUDA: PyTorch {torch.__version__} cannot use the GPU. Install a build with CUDA as pytorch.org says."
    )


def version() -> str:
    """See BackendModule."""
    return importlib.metadata.version("torch")


def builds_first(folder: Path, spec: ModelSpec, precision: str) -> bool:
    """See BackendModule: PyTorch takes seconds to start."""
    return True


def open_engine(folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> TorchEngine:
    """See BackendModule."""
    return TorchEngine(folder, spec, precision)


class TorchEngine(BaseEngine):
    """A model in PyTorch: channels last, the network in half precision, each size of batch one captured CUDA graph.

    *precision* "auto" is FP16; "fp32", "fp16" or "bf16" are for the network alone, pixels and decoding stay in FP32.
    *device* "cpu" runs the same without capturing, for tests. *capture* False runs node by node; *compiled* hands the whole
    to ``torch.compile`` instead, which takes a minute. Batches are filled up to 1, 2, 4 or 8 crops; larger ones go in parts.
    Raises EngineError when PyTorch cannot run it, ModelError when the file is not the spec's.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        precision: str = "auto",
        device: str = "cuda",
        capture: bool = True,
        compiled: bool = False,
    ) -> None:
        precision = "fp16" if precision == "auto" else precision
        if precision not in _TYPES:
            raise EngineError(f"{spec.name}: PyTorch runs {', '.join(_TYPES)}, not {precision}. Choose one of them.")
        if device == "cuda" and (reason := unavailable()):
            raise EngineError(f"{spec.name}: {reason}")
        import torch

        self._torch, self._who = torch, spec.name
        self._device = torch.device(device)
        self._capture = capture and not compiled and self._device.type == "cuda"
        self._graphs: dict[int, Any] = {}
        self._host: dict[int, Tensor] = {}
        self._inputs: dict[int, Tensor] = {}
        with (
            driver.loading(spec.name, lambda _text, _share: True),
            self._closing_when_it_fails(),
            self._failing("load the model"),
        ):
            if precision == "fp32" and self._device.type == "cuda":
                torch.backends.cudnn.allow_tf32 = False  # PyTorch would round to TF32's 10 bits and call it FP32
            graph = Graph(ModelFolder(folder).graph(spec), self._device, getattr(torch, _TYPES[precision]))
            needed = needed_outputs(spec)
            if list(graph.inputs) != ["crops"] or not set(needed) <= set(graph.outputs):
                raise EngineError(f"{folder}: expected input crops, outputs {' and '.join(needed)}; got {graph.inputs}.")
            self._run: Callable[[Tensor], dict[str, Tensor]] = torch.compile(graph) if compiled else graph
            pinned = self._device.type == "cuda"
            self._host = {n: torch.zeros((n, *spec.input_hw, 3), dtype=torch.uint8, pin_memory=pinned) for n in SIZES}
            self._inputs = {n: torch.zeros_like(self._host[n], device=self._device) for n in SIZES}
            name = torch.cuda.get_device_name() if pinned else "CPU"
            runtime = f"PyTorch {torch.__version__.split('+')[0]}{' compiled' if compiled else ''}"
            maps = tuple(name for name in MAPS if name in graph.outputs)
            super().__init__(spec, Backend(runtime, name, precision.upper()), maps)
            if self._capture:  # now, and not in mid-stream when a second person appears
                for size in SIZES:
                    self._graphs[size] = self._captured(size)

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        with self._failing("run"):
            return joined([self._infer_some(crops[i : i + SIZES[-1]], names) for i in range(0, len(crops), SIZES[-1])])

    def _infer_some(self, crops: ImageArray, names: tuple[str, ...]) -> list[FloatArray]:
        n = len(crops)
        size = next(s for s in SIZES if s >= n)
        self._host[size][:n].numpy()[:] = crops
        self._inputs[size].copy_(self._host[size], non_blocking=True)
        outputs = self._outputs(size)
        return [outputs[name][:n].float().cpu().numpy().copy() for name in names]

    def _outputs(self, size: int) -> Mapping[str, Tensor]:
        """The outputs for a batch of *size* that lies in its input."""
        with self._torch.inference_mode():
            if not self._capture:
                return self._run(self._inputs[size])
            captured, outputs = self._graphs[size]
            captured.replay()
            return outputs  # type: ignore[no-any-return]

    def _captured(self, size: int) -> tuple[Any, Mapping[str, Tensor]]:
        """A graph for batches of *size*, and where it leaves its outputs."""
        torch = self._torch
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # choosing algorithms must not be captured
                for _ in range(3):
                    self._run(self._inputs[size])
            torch.cuda.current_stream().wait_stream(side)
            captured = torch.cuda.CUDAGraph()
            # What other threads allocate meanwhile, as a recording does, must not spoil it.
            with torch.cuda.graph(captured, capture_error_mode="thread_local"):
                outputs = self._run(self._inputs[size])
            return captured, outputs

    def _close(self) -> None:
        self._graphs.clear()
        self._host.clear()
        self._inputs.clear()
        self.__dict__.pop("_run", None)
        if self._device.type == "cuda":
            with contextlib.suppress(Exception):  # the GPU may be gone, and then there is nothing to give back
                self._torch.cuda.empty_cache()

    @contextlib.contextmanager
    def _closing_when_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Whatever PyTorch raises as an EngineError; after an error that stays, this process uses the GPU no more."""
        try:
            with foreign_errors(f"{self._who}: PyTorch: to {what}"):
                yield
        except EngineError:
            if self._device.type == "cuda":
                driver.note_failure()
            raise
