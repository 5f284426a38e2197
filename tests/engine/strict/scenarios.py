"""The real engines on the strict driver and the strict TensorRT: ``python scenarios.py LAYER SCENARIO`` prints one JSON line.

"held" is what the driver still holds for the process at the end, "broken" the rules that were broken, "told" what the
scenario itself saw.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tiny_model

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import cuda, load
from poseapp.engine.tensorrt.engine import TrtEngine
from poseapp.engine.torch import engine as torch_cuda

LAYER: cuda.Layer = "pycuda" if sys.argv[1] == "pycuda" else "cuda-python"
cuda.LAYERS = (LAYER, *(layer for layer in cuda.LAYERS if layer != LAYER))
torch_unavailable, torch_cuda.unavailable = torch_cuda.unavailable, lambda: "CUDA: PyTorch is not installed."
DRIVER = ctypes.CDLL("libcuda.so.1")
DRIVER.strict_log.restype = DRIVER.strict_held.restype = ctypes.c_char_p
STORE = Path(tempfile.mkdtemp())
TINY, OTHER = tiny_model.write_model(STORE / "tiny"), tiny_model.write_model(STORE / "other", name="other")


def crops(n: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (n, *tiny_model.HW, 3), dtype=np.uint8)


def opened(folder: Path = TINY, **how: Any) -> TrtEngine:
    return TrtEngine(folder, ModelSpec.read(folder / "model.json"), "fp32", layer=LAYER, **how)


def said(action: Callable[[], object]) -> str:
    """What *action* is refused with; "" when it is not."""
    try:
        action()
    except EngineError as error:
        return str(error)
    return ""


def in_threads(*actions: Callable[[], None]) -> list[str]:
    """What went wrong in threads that ran at once."""
    wrong: list[str] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def people() -> Any:
    """Batches of every size, with and without heatmaps, two in flight, closed twice with work in flight."""
    engine = opened()
    want = engine.infer(crops(11)).keypoints
    same = [bool(np.allclose(engine.infer(crops(11)[:n], heatmaps=n % 2 == 0).keypoints, want[:n])) for n in (1, 2, 3, 5, 8, 11)]
    engine.submit(crops(1))
    engine.submit(crops(2))
    engine.collect()
    captured, runtime = engine.captured, engine.backend.runtime
    buffers = [each.memory for each in gc.get_objects() if type(each).__name__ == "IExecutionContext"]
    engine.close()
    engine.close()
    told = {"same": same, "captured": captured, "runtime": runtime, "difference": engine.difference_px}
    return {**told, "contexts": len(buffers), "buffers": len(set(buffers))}


def switching() -> Any:
    """Four threads load, use and close two models in turn."""

    def one(i: int) -> None:
        for j in range(3):
            engine = opened(TINY if (i + j) % 2 else OTHER)
            for n in (1, 4, 8):
                engine.infer(crops(n, i))
            engine.close()

    return in_threads(*(functools.partial(one, i) for i in range(4)))


def beside() -> Any:
    """Another model goes on when one is closed."""
    first, second = opened(), opened(OTHER)
    first.close()
    del first
    gc.collect()
    third = opened()
    third.infer(crops(2))
    second.infer(crops(1))
    second.close()
    third.close()


def cancelled() -> Any:
    """A build that is cancelled leaves nothing."""
    return said(lambda: opened(rebuild=True, progress=lambda _text, share: share < 0.3)), [p.name for p in TINY.glob("*.plan*")]


def refused() -> Any:
    """A plan that TensorRT will not load: built once, the refusal remembered, and forgotten when it loads after all."""
    os.environ["FAKE_TRT_REFUSE"] = "1"
    starts: list[list[str]] = [[], []]

    def started(heard: list[str]) -> str:
        def progress(text: str, _share: float) -> bool:
            heard.append(text)
            return True

        return said(lambda: opened(progress=progress))

    told = [started(heard) for heard in starts]
    del os.environ["FAKE_TRT_REFUSE"]
    opened().close()
    return told, [any("building" in text for text in heard) for heard in starts]


def old_driver() -> Any:
    """TensorRT's factories return nothing: the CPU serves, and the badge says why."""
    os.environ["FAKE_TRT_OLD_DRIVER"] = "1"
    engine = load.load_engine(TINY, "auto")
    backend = engine.backend
    engine.close()
    return backend.device, backend.fallback


def auto() -> Any:
    """What serves where nothing was asked for, and why it is not the GPU."""
    engine = load.load_engine(TINY)
    backend = engine.backend
    engine.close()
    return backend.device, backend.fallback


def broken_libraries() -> Any:
    """PyTorch and PyCUDA are installed and cannot be imported: what serves instead, and what is said."""
    for name in ("torch", "pycuda"):
        (STORE / "broken" / name).mkdir(parents=True)
        (STORE / "broken" / name / "__init__.py").write_text(f"raise OSError('lib{name}.so: undefined symbol')\n")
    sys.path.insert(0, str(STORE / "broken"))
    torch_cuda.unavailable = torch_unavailable
    instead = load.load_engine(TINY, "cuda")
    instead.close()
    cuda.LAYERS = ("pycuda", "cuda-python")
    device = cuda.open_device()
    device.close()
    asked_for = said(lambda: cuda.open_device("pycuda"))
    return instead.backend.device, instead.backend.fallback, device.layer.split()[0], asked_for


def timings() -> Any:
    """What builds measured of the GPU's kernels is kept between them; where it is damaged a build begins anew."""

    def kept() -> str:
        (path,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.timings")
        return path.read_bytes().decode()

    told = []
    for damage in ("", "", "damaged"):
        if damage:
            next(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.timings")).write_text(damage)
        opened(rebuild=True).close()
        told.append(kept())
    return told


def full() -> Any:
    """No memory for the weights, in each of the ways it is told: the plan stays and is not built again."""
    opened().close()
    os.environ["FAKE_MEM_MB"] = "0"
    told = []
    for text in ("Error Code 2: OutOfMemory (x)", "Cuda Runtime (out of memory)", "CUDNN_STATUS_ALLOC_FAILED"):
        os.environ["FAKE_TRT_OOM"] = text
        told.append(said(opened))
    return told


def lost() -> Any:
    """The GPU is lost for the process: all calls say so, no new engine opens, "auto" takes the CPU."""
    engine = opened()
    engine.submit(crops(2))
    DRIVER.strict_lose(719)
    told = [said(engine.collect), said(lambda: engine.infer(crops(1)))]
    engine.close()
    told.append(said(opened))
    instead = load.load_engine(TINY, "auto")
    told += [instead.backend.device, instead.backend.fallback]
    instead.close()
    DRIVER.strict_lose(0)
    return told


def race() -> Any:
    """One thread infers while others load and close: captures and loads do not spoil each other."""
    end = time.monotonic() + 2

    def user() -> None:
        engine = opened()
        while time.monotonic() < end:
            engine.infer(crops(1))
            engine.infer(crops(8), heatmaps=True)
        engine.close()

    def loader() -> None:
        while time.monotonic() < end:
            opened(OTHER).close()

    return in_threads(user, loader, loader)


def main() -> None:
    """Run the scenario and tell."""
    told = globals()[sys.argv[2]]()
    gc.collect()
    broken = DRIVER.strict_log().decode().splitlines()
    if "tensorrt" in sys.modules:
        broken += importlib.import_module("tensorrt").strict_log()
    print(json.dumps({"told": told, "held": DRIVER.strict_held().decode(), "broken": broken}))


main()
