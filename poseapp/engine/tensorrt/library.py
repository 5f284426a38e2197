"""The installed TensorRT: which of the two flavours it is, which GPUs it serves, and its log."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import logging
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from poseapp.core.spec import Precision
from poseapp.engine.driver import Gpu, too_old_because

INSTALL = 'pip install "poseapp[tensorrt-rtx]" (GeForce and RTX cards) or "poseapp[tensorrt]"'

log = logging.getLogger(__name__)


@functools.cache
def tensorrt() -> Any:
    """The module tensorrt, else tensorrt_rtx, which has the same interface; None where neither can be imported."""
    for name in ("tensorrt", "tensorrt_rtx"):
        try:
            return importlib.import_module(name)
        except Exception:  # an OSError where a library is missing, a RuntimeError of another version's library, …
            log.debug("%s cannot be imported", name, exc_info=True)
    return None


def runtime_name(trt: Any) -> str:
    """Flavour and full version, such as "TensorRT-RTX 1.7.1.116"."""
    return f"{'TensorRT-RTX' if is_rtx(trt) else 'TensorRT'} {trt.__version__}"


def unserved_because(gpu: Gpu) -> str:
    """Why the installed TensorRT cannot serve *gpu*, in one line; "" when it can, or is not installed."""
    trt = tensorrt()
    if trt is None:
        return ""
    too_old = too_old_because(gpu, runtime_name(trt), built_for_cuda(trt.__name__))
    return too_old or cannot_build_because(trt, gpu.name, f"{gpu.compute[0]}.{gpu.compute[1]}")


@functools.cache
def built_for_cuda(module: str) -> int:
    """The major version of CUDA that the installed *module* ("tensorrt" or "tensorrt_rtx") was built for; 0: not known.

    Its wheels say so in their names: tensorrt_cu12_libs, tensorrt_rtx_cu13.
    """
    name = re.compile(rf"{module}_cu(\d+)(_libs|_bindings)?")
    named = (name.fullmatch(str(d.metadata["Name"]).lower().replace("-", "_")) for d in importlib.metadata.distributions())
    return max((int(found[1]) for found in named if found), default=0)


def is_rtx(trt: Any) -> bool:
    """Whether *trt* is TensorRT for RTX. It has no convolutions in INT8: a plan of that precision is larger and not faster."""
    return bool(trt.__name__.startswith("tensorrt_rtx"))


def cannot_build_because(trt: Any, gpu: str, compute: str) -> str:
    """Why *trt* builds no plans for a GPU called *gpu* of compute capability *compute*, in one line; "" when it does.

    TensorRT for RTX lists what it compiles for. The full TensorRT builds for the GPU that is there, and may fail then.
    """
    if not hasattr(trt, "ComputeCapability") or hasattr(trt.ComputeCapability, capability_name(compute)):
        return ""
    return (
        f"{runtime_name(trt)}: it does not serve the {gpu} (compute capability {compute}). "
        'Install the full TensorRT: pip install "poseapp[tensorrt]".'
    )


def capability_name(compute: str) -> str:
    """The name of compute capability *compute*, such as "8.6", in TensorRT's lists."""
    return f"SM{compute.replace('.', '')}"


@functools.cache
def logger() -> Any:
    """The logger of this process for TensorRT: keeps its last errors in ``errors`` and hands the rest to logging.

    TensorRT takes only the first logger of a process, and needs it as long as any of its objects lives: so it is never freed.
    """
    trt = tensorrt()

    class Logger(trt.ILogger):  # type: ignore[misc,name-defined]  # the module is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=50)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)
            log.debug("TensorRT: %s", message)

    return Logger()


def last_word() -> str:
    """The last error that TensorRT logged, in one line; "" when there is none."""
    return one_line([logger().errors[-1]]) if tensorrt() is not None and logger().errors else ""


def not_offered_because(precision: Precision) -> str:
    """Why the installed TensorRT does not run *precision*, in one line; "" when it does."""
    trt = tensorrt()
    if precision == "int8" and trt is not None and is_rtx(trt):
        return "TensorRT for RTX has no convolutions in INT8: FP16 is faster there."
    return ""


def user_allocation(trt: Any) -> Any:
    """TensorRT for RTX may allocate while it runs, which no graph can capture, unless its plan was built with this flag."""
    return getattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None)


def one_line(messages: Sequence[str]) -> str:
    """The first of *messages* in one line of at most 200 characters."""
    text = " ".join(str(messages[0]).split()) if messages else "no reason given"
    return text if len(text) <= 200 else f"{text[:199]}…"
