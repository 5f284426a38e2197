"""CUDA through cuda-python: really called, on the strict driver. test_strict.py has PyCUDA, tests/gpu a real GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poseapp.core.errors import EngineError
from poseapp.engine.cuda import installed_layers, open_device, unavailable
from poseapp.engine.driver import find_gpu, loading

HERE = Path(__file__).parent

needs_cuda_python = pytest.mark.skipif(
    "cuda-python" not in installed_layers(), reason="cuda-python is not installed: pip install cuda-python"
)
no_gpu_here = pytest.mark.skipif(not isinstance(find_gpu(), str), reason="this machine has an NVIDIA GPU")


def drive(driver: Path, layer: str, *arguments: str, **more: str) -> dict[str, Any]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver), "FAKE_GPU_COMPUTE": "8.6", **more}
    command = [sys.executable, str(HERE / "strict" / "device.py"), layer, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@needs_cuda_python
def test_everything_a_device_does(strict_driver: Path) -> None:
    told = drive(strict_driver, "cuda-python")
    assert told["gpu"] == "Gpu(name='Strict GPU', compute=(8, 6), driver='CUDA 13.0', cuda=(13, 0))"
    assert told["unavailable"] == ""
    assert told["layer"].startswith("cuda-python ")
    assert told["copied"] == [[1, 2, 3], [4, 5, 6]]
    assert told["floats"] == [0.5] * 4
    assert told["captured"] == [[0, 0, 0], [0, 0, 0]], "capturing runs nothing"
    assert told["replayed"] == [[9, 9, 9], [0, 0, 0]]
    assert told["replayed again"] == [8, 8, 8]
    assert told["failed capture"] == "EngineError: TensorRT failed."
    assert told["failed launch"] == "CudaError: CUDA: cuGraphLaunch: CUDA_ERROR_LAUNCH_FAILED."
    assert told["out of memory"].startswith("CudaError: CUDA: ")
    assert "OUT_OF_MEMORY" in told["out of memory"].upper().replace(" ", "_")
    assert told["memory"] == [2**30 - 6, 2**30]
    assert told["allocations"] == 4
    assert told["held"] == "depth 0 retained 0 device-bytes 0 streams 0 events 0 graphs 0 executables 0"
    assert told["broken"] == "", "pinned memory that is left shows here"


@needs_cuda_python
def test_a_process_that_forgets_to_close_ends_well(strict_driver: Path) -> None:
    assert drive(strict_driver, "cuda-python", "forget") == {"kept": 10}


def test_a_driver_without_a_gpu_says_so(strict_driver: Path) -> None:
    told = drive(strict_driver, "cuda-python", FAKE_NO_GPU="1")
    assert told["gpu"] == "the NVIDIA driver finds no GPU"
    assert told["unavailable"] == "the NVIDIA driver finds no GPU."


def test_a_loader_that_waits_for_another_can_be_cancelled() -> None:
    holds, let_go = threading.Event(), threading.Event()

    def load() -> None:
        with loading("first", lambda _text, _share: True):
            holds.set()
            let_go.wait(60)

    first = threading.Thread(target=load)
    first.start()
    heard: list[str] = []
    try:
        assert holds.wait(60)
        with pytest.raises(EngineError, match=r"^second: loading cancelled\.$"), loading("second", stop_after(2, heard)):
            pytest.fail("it did not wait")
    finally:
        let_go.set()
        first.join(60)
    assert heard == ["second: another model is being loaded"] * 2
    with loading("second", stop_after(0, heard)):  # nobody is asked who need not wait
        pass


def stop_after(count: int, heard: list[str]) -> Callable[[str, float], bool]:
    """A listener that says stop when it hears something for the *count*-th time."""

    def progress(text: str, _share: float) -> bool:
        heard.append(text)
        return len(heard) < count

    return progress


@no_gpu_here
def test_without_a_driver_nothing_is_opened() -> None:
    assert unavailable() in ("no NVIDIA driver on this machine.", "the NVIDIA driver finds no GPU.")
    with pytest.raises(EngineError, match=r"^CUDA: (no NVIDIA driver on this machine|the NVIDIA driver finds no GPU)\.$"):
        open_device()
