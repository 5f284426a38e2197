"""PyTorch on an NVIDIA GPU: for GPUs where no TensorRT serves, and the yardstick for it.

The graph in model.onnx is run node by node with torch's operators, so weights and arithmetic are those of every backend.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import driver
from poseapp.engine.base import Backend, Output, check_crops, foreign_errors
from poseapp.engine.graph_nodes import HALF_OPERATORS, NETWORK
from poseapp.engine.model_folder import ModelFolder

if TYPE_CHECKING:
    from torch import Tensor

SIZES = (1, 2, 4, 8)
_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
# ONNX's numbers of element types: float, uint8, int8, int32, int64, bool, half, double.
_ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


def unavailable() -> str:
    """Why PyTorch cannot use a GPU here, in one line; "" when it can. Imports torch only where there is a driver."""
    if importlib.util.find_spec("torch") is None:
        return "CUDA: PyTorch is not installed. Install it, with CUDA, as pytorch.org says."
    if importlib.util.find_spec("onnx") is None:
        return 'CUDA: onnx is not installed. Install it with: pip install "poseapp[train]"'
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


class TorchEngine:
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

        self._spec, self._torch = spec, torch
        self._device = torch.device(device)
        self._capture = capture and not compiled and self._device.type == "cuda"
        self._closed = False
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
            self._maps = ("heatmaps", "fields") if "fields" in graph.outputs else ("heatmaps",)
            if list(graph.inputs) != ["crops"] or not {"keypoints", "heatmaps"} <= set(graph.outputs):
                raise EngineError(f"{folder}: expected input crops, outputs keypoints and heatmaps; got {graph.inputs}.")
            self._run: Callable[[Tensor], dict[str, Tensor]] = torch.compile(graph) if compiled else graph
            pinned = self._device.type == "cuda"
            self._host = {n: torch.zeros((n, *spec.input_hw, 3), dtype=torch.uint8, pin_memory=pinned) for n in SIZES}
            self._inputs = {n: torch.zeros_like(self._host[n], device=self._device) for n in SIZES}
            name = torch.cuda.get_device_name() if pinned else "CPU"
            if self._capture:  # now, and not in mid-stream when a second person appears
                for size in SIZES:
                    self._graphs[size] = self._captured(size)
        how = " compiled" if compiled else ""
        self._backend = Backend(f"PyTorch {torch.__version__.split('+')[0]}{how}", name, precision.upper())

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._spec

    @property
    def backend(self) -> Backend:
        """What really runs."""
        return self._backend

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """Joints of *crops* (N, H, W, 3) uint8 BGR; see Engine."""
        check_crops(crops, self._spec)
        if self._closed:
            raise EngineError(f"{self._spec.name}: the engine is closed.")
        wanted = ("keypoints", *(self._maps if heatmaps else ()))
        with self._failing("run"):
            parts = [self._infer_some(crops[i : i + SIZES[-1]], wanted) for i in range(0, len(crops), SIZES[-1])]
        return Output(*(np.concatenate(arrays) if len(parts) > 1 else arrays[0] for arrays in zip(*parts, strict=True)))

    def _infer_some(self, crops: ImageArray, wanted: Sequence[str]) -> list[Any]:
        n = len(crops)
        size = next(s for s in SIZES if s >= n)
        self._host[size][:n].numpy()[:] = crops
        self._inputs[size].copy_(self._host[size], non_blocking=True)
        outputs = self._outputs(size)
        return [outputs[name][:n].float().cpu().numpy().copy() for name in wanted]

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

    def close(self) -> None:
        """Give back the memory; safe to call twice."""
        if self._closed:
            return
        self._closed = True
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
            with foreign_errors(f"{self._spec.name}: PyTorch: to {what}"):
                yield
        except EngineError:
            if self._device.type == "cuda":
                driver.note_failure()
            raise


@dataclass(frozen=True, eq=False)
class _Node:
    """One operator of the graph; ``half`` for those of the network."""

    run: Callable[..., Any]
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    half: bool
    dead: tuple[str, ...]  # what nobody needs after it


class Graph:
    """An ONNX graph of this project as a function of torch: crops → its outputs by name.

    Whole numbers that describe shapes and places stay on the CPU, as nothing waits for the GPU to know them. Nodes whose
    name says that they are the network's compute in *dtype*, all others in FP32. Raises KeyError on an operator that no
    exporter of this project writes.
    """

    def __init__(self, path: Path, device: Any, dtype: Any) -> None:
        import onnx
        import torch
        from onnx import numpy_helper

        self._torch, self._device, self._dtype = torch, device, dtype
        model = onnx.load(path)
        self.inputs = tuple(i.name for i in model.graph.input)
        self.outputs = tuple(o.name for o in model.graph.output)
        self._constants: dict[str, Any] = {}
        # Factors of a size are read on the CPU, though they are no whole numbers.
        here = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
        for tensor in model.graph.initializer:
            self._constants[tensor.name] = self._constant(numpy_helper.to_array(tensor), tensor.name in here)
        last = {name: i for i, node in enumerate(model.graph.node) for name in node.input}
        self._nodes: list[_Node] = []
        for i, node in enumerate(model.graph.node):
            attributes = {a.name: _plain(onnx.helper.get_attribute_value(a), numpy_helper) for a in node.attribute}
            if node.op_type == "Constant":
                self._constants[node.output[0]] = self._constant(np.asarray(attributes["value"]), node.output[0] in here)
                continue
            if node.op_type not in _OPERATORS:
                raise KeyError(f"no operator {node.op_type}")
            names = set(node.input) | set(node.output)
            dead = tuple(n for n in names if n and last.get(n, i) <= i and n not in self.outputs)
            half = NETWORK.match(node.name) is not None and node.op_type in HALF_OPERATORS
            run = _OPERATORS[node.op_type]
            if node.op_type == "ConstantOfShape":
                run = functools.partial(run, device=device)
            self._nodes.append(_Node(run, attributes, tuple(node.input), tuple(node.output), half, dead))
        self._cast: dict[tuple[str, bool], Tensor] = {}

    def _constant(self, array: Any, here: bool) -> Any:
        tensor = self._torch.from_numpy(np.array(array))
        if here or not tensor.is_floating_point():
            return tensor
        tensor = tensor.to(self._device)
        return tensor.contiguous(memory_format=self._torch.channels_last) if tensor.ndim == 4 else tensor

    def __call__(self, crops: Tensor) -> dict[str, Tensor]:
        """Outputs by name for *crops* (N, H, W, 3) uint8 on the device."""
        values: dict[str, Any] = {self.inputs[0]: crops}
        for node in self._nodes:
            given = [self._value(name, values, node.half) for name in node.inputs]
            result = node.run(given, node.attributes)
            values.update(zip(node.outputs, result if isinstance(result, (list, tuple)) else (result,), strict=False))
            for name in node.dead:
                values.pop(name, None)
        return {name: values[name].float() for name in self.outputs}

    def _value(self, name: str, values: Mapping[str, Any], half: bool) -> Any:
        """The tensor *name* in the precision of the node that takes it; constants are cast once."""
        if not name:
            return None
        wanted = self._dtype if half else self._torch.float32
        if name in values:
            value = values[name]
            return value.to(wanted) if value.is_floating_point() and value.dtype != wanted else value
        value = self._constants[name]
        if not value.is_floating_point():
            return value
        if (name, half) not in self._cast:
            self._cast[name, half] = value.to(wanted)
        return self._cast[name, half]


def _plain(value: Any, numpy_helper: Any) -> Any:
    """An attribute as numpy or Python has it."""
    if hasattr(value, "raw_data"):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _ints(value: Any) -> list[int]:
    return [int(v) for v in value.reshape(-1).tolist()]


def _on(device: Any, *values: Any, scalars: bool = False) -> list[Any]:
    """*values* on *device*; single numbers may stay where they are unless *scalars* must move too.

    Made there and not copied: a copy cannot be captured.
    """
    import torch

    def made(value: Any) -> Any:
        numbers = [torch.full((), n, dtype=value.dtype, device=device) for n in value.reshape(-1).tolist()]
        return torch.stack(numbers).reshape(value.shape)

    return [made(v) if v is not None and (v.ndim > 0 or scalars) and v.device != device else v for v in values]


def _together(function: Callable[..., Any], scalars: bool = False) -> Callable[..., Any]:
    """An operator on elements: what describes shapes moves to the data, when it meets data."""

    def run(x: list[Any], attributes: Mapping[str, Any]) -> Any:
        return function(*_on(_device_of(x), *x, scalars=scalars))

    return run


def _device_of(x: Sequence[Any]) -> Any:
    """Where the data is: on the GPU if any of *x* is."""
    return next((v.device for v in x if v is not None and v.device.type != "cpu"), x[0].device)


def _conv(x: list[Any], a: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    image, weight, bias = x[0], x[1], x[2] if len(x) > 2 else None
    pads = a.get("pads", [0, 0, 0, 0])
    if list(pads[:2]) != list(pads[2:]):
        image, pads = functional.pad(image, (pads[1], pads[3], pads[0], pads[2])), [0, 0]
    return functional.conv2d(
        image, weight, bias, a.get("strides", [1, 1]), pads[:2], a.get("dilations", [1, 1]), a.get("group", 1)
    )


def _pool(kind: str) -> Callable[..., Any]:
    def run(x: list[Any], a: Mapping[str, Any]) -> Any:
        from torch.nn import functional

        pads = list(a.get("pads", [0, 0, 0, 0]))
        image, fill = x[0], float("-inf") if kind == "max" else 0.0
        ceil = bool(a.get("ceil_mode", 0))
        if kind == "max":
            if pads[:2] != pads[2:]:
                image, pads = functional.pad(image, (pads[1], pads[3], pads[0], pads[2]), value=fill), [0, 0]
            return functional.max_pool2d(image, a["kernel_shape"], a.get("strides"), pads[:2], ceil_mode=ceil)
        return functional.avg_pool2d(
            image, a["kernel_shape"], a.get("strides"), pads[:2], ceil, bool(a.get("count_include_pad", 0))
        )

    return run


def _resize(x: list[Any], a: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    size = _ints(x[3])[2:] if len(x) > 3 and x[3] is not None else None
    if size is None:
        size = [round(s * float(f)) for s, f in zip(x[0].shape[2:], x[2].tolist()[2:], strict=True)]
    mode, how = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        return functional.interpolate(x[0], size=size, mode="nearest")
    kind = {"linear": "bilinear", "cubic": "bicubic"}[mode]
    return functional.interpolate(x[0], size=size, mode=kind, align_corners=how == "align_corners")


def _batch_norm(x: list[Any], a: Mapping[str, Any]) -> Any:
    image, scale, bias, mean, variance = x
    factor = scale * (variance.float() + a.get("epsilon", 1e-5)).rsqrt().to(scale.dtype)
    return image * factor.view(1, -1, 1, 1) + (bias - mean * factor).view(1, -1, 1, 1)


def _slice(x: list[Any], a: Mapping[str, Any]) -> Any:
    starts, ends = _ints(x[1]), _ints(x[2])
    axes = _ints(x[3]) if len(x) > 3 and x[3] is not None else list(range(len(starts)))
    steps = _ints(x[4]) if len(x) > 4 and x[4] is not None else [1] * len(starts)
    out = x[0]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        length = out.shape[axis]
        start, end, step = slice(start, end, step).indices(length)
        if step > 0:
            out = out.narrow(axis, start, max(0, end - start))
            out = out if step == 1 else out[(slice(None),) * (axis % out.ndim) + (slice(None, None, step),)]
        else:
            out = out.narrow(axis, end + 1, start - end).flip(axis)
            out = out if step == -1 else out[(slice(None),) * (axis % out.ndim) + (slice(None, None, -step),)]
    return out


def _gather(x: list[Any], a: Mapping[str, Any]) -> Any:
    import torch

    data, index, axis = x[0], x[1], a.get("axis", 0)
    if index.ndim == 0:
        return data.select(axis, int(index))
    if index.device == data.device:
        flat = data.index_select(axis, index.reshape(-1) % data.shape[axis])
    else:  # without an index that would have to go up
        flat = torch.cat([data.narrow(axis, i % data.shape[axis], 1) for i in _ints(index)], axis)
    axis %= data.ndim
    return flat.reshape(*data.shape[:axis], *index.shape, *data.shape[axis + 1 :])


def _gather_elements(x: list[Any], a: Mapping[str, Any]) -> Any:
    data, index = _on(_device_of(x), *x)
    return data.gather(a.get("axis", 0), index)


def _reshape(x: list[Any], a: Mapping[str, Any]) -> Any:
    return x[0].reshape([x[0].shape[i] if n == 0 else n for i, n in enumerate(_ints(x[1]))])


def _unsqueeze(x: list[Any], a: Mapping[str, Any]) -> Any:
    axes = _ints(x[1])
    out, ndim = x[0], x[0].ndim + len(axes)
    for axis in sorted(axis % ndim for axis in axes):
        out = out.unsqueeze(axis)
    return out


def _squeeze(x: list[Any], a: Mapping[str, Any]) -> Any:
    axes = _ints(x[1]) if len(x) > 1 else [i for i, n in enumerate(x[0].shape) if n == 1]
    out = x[0]
    for axis in sorted((axis % x[0].ndim for axis in axes), reverse=True):
        out = out.squeeze(axis)
    return out


def _concat(x: list[Any], a: Mapping[str, Any]) -> Any:
    import torch

    return torch.cat(_on(_device_of(x), *x), a["axis"])


def _divide(one: Any, other: Any) -> Any:
    return one / other if one.is_floating_point() else one.div(other, rounding_mode="trunc")


def _reduce(name: str) -> Callable[..., Any]:
    def run(x: list[Any], a: Mapping[str, Any]) -> Any:
        axes = a.get("axes") or (_ints(x[1]) if len(x) > 1 and x[1] is not None else list(range(x[0].ndim)))
        return getattr(x[0], name)(dim=tuple(axes), keepdim=bool(a.get("keepdims", 1)))

    return run


def _filled(x: list[Any], a: Mapping[str, Any], device: Any) -> Any:
    import torch

    value = np.asarray(a.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
    where = device if np.issubdtype(value.dtype, np.floating) else "cpu"
    return torch.full(_ints(x[0]), value.item(), dtype=getattr(torch, str(value.dtype)), device=where)


def _cast(x: list[Any], a: Mapping[str, Any]) -> Any:
    import torch

    return x[0].to(getattr(torch, _ELEMENTS[a["to"]]))


def _clip(x: list[Any], a: Mapping[str, Any]) -> Any:
    out = x[0]
    for bound, pick in zip(x[1:3], ("maximum", "minimum"), strict=False):
        if bound is None:
            continue
        if bound.device == out.device:
            out = getattr(out, pick)(bound)
        else:  # a number of the CPU goes along with the call; copied up it could not be captured
            out = out.clamp(**{"min" if pick == "maximum" else "max": bound.item()})
    return out


def _shape(x: list[Any], a: Mapping[str, Any]) -> Any:
    import torch

    return torch.tensor(tuple(x[0].shape), dtype=torch.int64)


def _arg_max(x: list[Any], a: Mapping[str, Any]) -> Any:
    return x[0].argmax(a.get("axis", 0), keepdim=bool(a.get("keepdims", 1)))


def _split(x: list[Any], a: Mapping[str, Any]) -> Any:
    axis = a.get("axis", 0)
    lengths = _ints(x[1]) if len(x) > 1 and x[1] is not None else x[0].shape[axis] // a["num_outputs"]
    return x[0].split(lengths, axis)


def _where(condition: Any, one: Any, other: Any) -> Any:
    return one.where(condition, other)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": _together(lambda x: x.abs()),
    "Add": _together(lambda x, y: x + y),
    "And": _together(lambda x, y: x & y),
    "ArgMax": _arg_max,
    "AveragePool": _pool("average"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Conv": _conv,
    "Div": _together(_divide),
    "Equal": _together(lambda x, y: x == y),
    "Exp": _together(lambda x: x.exp()),
    "Expand": lambda x, a: x[0].expand(np.broadcast_shapes(tuple(x[0].shape), tuple(_ints(x[1])))),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Greater": _together(lambda x, y: x > y),
    "GreaterOrEqual": _together(lambda x, y: x >= y),
    "Identity": lambda x, a: x[0],
    "LeakyRelu": lambda x, a: x[0].where(x[0] >= 0, x[0] * a.get("alpha", 0.01)),
    "Less": _together(lambda x, y: x < y),
    "LessOrEqual": _together(lambda x, y: x <= y),
    "Log": _together(lambda x: x.log()),
    "MatMul": _together(lambda x, y: x @ y),
    "Max": _together(lambda x, y: x.maximum(y)),
    "MaxPool": _pool("max"),
    "Min": _together(lambda x, y: x.minimum(y)),
    "Mod": _together(lambda x, y: x.remainder(y)),
    "Mul": _together(lambda x, y: x * y),
    "Neg": _together(lambda x: -x),
    "Not": _together(lambda x: ~x),
    "Or": _together(lambda x, y: x | y),
    "PRelu": _together(lambda x, slope: x.where(x >= 0, x * slope)),
    "Pow": _together(lambda x, y: x**y),
    "ReduceMax": _reduce("amax"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": _together(lambda x: x.relu()),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sign": _together(lambda x: x.sign()),
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _together(lambda x: x.sqrt()),
    "Squeeze": _squeeze,
    "Sub": _together(lambda x, y: x - y),
    "Tile": lambda x, a: x[0].repeat(_ints(x[1])),
    "Transpose": lambda x, a: x[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
    "Where": _together(_where, scalars=True),
    "Xor": _together(lambda x, y: x ^ y),
}
