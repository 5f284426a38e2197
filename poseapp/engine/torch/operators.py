"""ONNX's operators in PyTorch: those of this project's exporter and of RTMPose. Each takes its inputs and its attributes.

Numbers that describe shapes and places stay on the CPU, so that nothing waits for the GPU, and a CUDA graph can capture it all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# ONNX's numbers of element types: float, uint8, int8, int32, int64, bool, half, double.
_ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


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
    """An operator on elements: numbers that describe shapes move to the data's device when they meet data."""

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
    axes = _ints(x[1]) if len(x) > 1 else a["axes"]
    out, ndim = x[0], x[0].ndim + len(axes)
    for axis in sorted(axis % ndim for axis in axes):
        out = out.unsqueeze(axis)
    return out


def _squeeze(x: list[Any], a: Mapping[str, Any]) -> Any:
    axes = _ints(x[1]) if len(x) > 1 else a.get("axes", [i for i, n in enumerate(x[0].shape) if n == 1])
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
    if len(x) > 1 and x[1] is not None:
        lengths = _ints(x[1])
    else:
        lengths = a["split"] if "split" in a else x[0].shape[axis] // a["num_outputs"]
    return x[0].split(lengths, axis)


def _hard_sigmoid(x: list[Any], a: Mapping[str, Any]) -> Any:
    return (x[0] * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1)


def _norm(x: list[Any], a: Mapping[str, Any]) -> Any:
    import torch

    return torch.linalg.vector_norm(x[0], dim=a["axes"], keepdim=bool(a.get("keepdims", 1)))


def _where(condition: Any, one: Any, other: Any) -> Any:
    return one.where(condition, other)


OPERATORS: dict[str, Callable[..., Any]] = {
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
    "GlobalAveragePool": lambda x, a: x[0].mean(dim=tuple(range(2, x[0].ndim)), keepdim=True),
    "Greater": _together(lambda x, y: x > y),
    "GreaterOrEqual": _together(lambda x, y: x >= y),
    "HardSigmoid": _hard_sigmoid,
    "Identity": lambda x, a: x[0],
    "LeakyRelu": lambda x, a: x[0].where(x[0] >= 0, x[0] * a.get("alpha", 0.01)),
    "Less": _together(lambda x, y: x < y),
    "LessOrEqual": _together(lambda x, y: x <= y),
    "Log": _together(lambda x: x.log()),
    "MatMul": _together(lambda x, y: x @ y),
    "Max": _together(lambda *x: functools.reduce(lambda one, other: one.maximum(other), x)),
    "MaxPool": _pool("max"),
    "Min": _together(lambda *x: functools.reduce(lambda one, other: one.minimum(other), x)),
    "Mod": _together(lambda x, y: x.remainder(y)),
    "Mul": _together(lambda x, y: x * y),
    "Neg": _together(lambda x: -x),
    "Not": _together(lambda x: ~x),
    "Or": _together(lambda x, y: x | y),
    "PRelu": _together(lambda x, slope: x.where(x >= 0, x * slope)),
    "Pow": _together(lambda x, y: x**y),
    "ReduceL2": _norm,
    "ReduceMax": _reduce("amax"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": _together(lambda x: x.relu()),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": _together(lambda x: x.sigmoid()),
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
