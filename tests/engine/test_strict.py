"""The GPU path on a driver and a TensorRT that enforce their documented rules; neither is a GPU.

The rules: contexts by thread, memory and order of destruction, what a capture forbids, one logger a process, shapes and
addresses before a run. Every scenario must break none and leave nothing behind, whatever goes wrong in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poseapp.engine.cuda import installed_layers

Play = Callable[..., Any]
STRICT = Path(__file__).parent / "strict"
NOTHING = "depth 0 retained 0 device-bytes 0 streams 0 events 0 graphs 0 executables 0"
# PyCUDA has no wheels: its build takes a minute or two.
LAYERS = ["cuda-python", pytest.param("pycuda", marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
TOOLKIT = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))


@pytest.fixture(scope="session")
def pycuda(tmp_path_factory: pytest.TempPathFactory, strict_driver: Path) -> list[str]:
    """What sys.path needs for PyCUDA: nothing where it is installed, else a build of it against the strict driver."""
    if "pycuda" in installed_layers():
        return []
    if not (TOOLKIT / "bin" / "nvcc").exists():
        pytest.skip("PyCUDA is not installed, and there is no CUDA toolkit to build it with")
    folder = tmp_path_factory.mktemp("pycuda")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    tools = [*pip, "install", "--target", str(folder / "tools"), "setuptools<80", "wheel", "pytools", "mako"]
    source = [*pip, "download", "--no-deps", "--no-binary", "pycuda", "--no-build-isolation", "-d", str(folder), "pycuda==2026.1"]
    environment = {
        **os.environ,
        "PATH": f"{TOOLKIT / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "tools"),
    }
    if any(subprocess.run(command, env=environment, timeout=300, check=False).returncode for command in (tools, source)):
        pytest.skip("PyCUDA cannot be downloaded")
    with tarfile.open(next(folder.glob("pycuda-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    root = next(path for path in folder.glob("pycuda-*") if path.is_dir())
    libraries = [f"--cudadrv-lib-dir={strict_driver}", f"--cudart-lib-dir={TOOLKIT / 'lib64'}"]
    configure = [sys.executable, "configure.py", "--no-cuda-enable-curand", f"--cuda-root={TOOLKIT}", *libraries]
    for command in (configure, [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]):
        subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=800, check=True)
    return [str(root), str(folder / "tools")]


@pytest.fixture
def layer(request: pytest.FixtureRequest) -> str:
    """cuda-python, or PyCUDA, which is then there."""
    if request.param == "pycuda":
        request.getfixturevalue("pycuda")
    elif request.param not in installed_layers():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def play(strict_driver: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Play:
    """Plays a scenario on a layer and returns what it told, after it broke no rule and left nothing."""

    def played(layer: str, scenario: str, strict: bool = True, **more: str) -> Any:
        extra = [str(STRICT / "modules")] if strict else []
        extra += request.getfixturevalue("pycuda") if layer == "pycuda" else []
        return _played(strict_driver, tmp_path, extra, layer, scenario, more)

    return played


def _played(strict_driver: Path, tmp_path: Path, extra: list[str], layer: str, scenario: str, more: dict[str, str]) -> Any:
    tests = STRICT.parents[1]
    paths = [*extra, str(tests), str(tests.parent)]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([str(strict_driver), str(TOOLKIT / "lib64")]),
        "PYTHONPATH": os.pathsep.join(paths),
        "XDG_CACHE_HOME": str(tmp_path),
        "FAKE_TRT_STEP_S": "0.001",
        **more,
    }
    command = [sys.executable, str(STRICT / "scenarios.py"), layer, scenario]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["broken"] == []
    assert told["held"] == NOTHING
    return told["told"]


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_people_come_and_go(layer: str, play: Play) -> None:
    told = play(layer, "people")
    assert told == {
        "same": [True] * 6,
        "captured": True,
        "runtime": "TensorRT 11.4.0.106",
        "difference": pytest.approx(0, abs=1e-4),
        "contexts": 4,
        "buffers": 1,  # they run one after the other
    }


@pytest.mark.parametrize("capturable", [True, False])
def test_tensorrt_for_rtx_is_captured_where_it_can_be_and_makes_its_own_graphs_elsewhere(capturable: bool, play: Play) -> None:
    more = {} if capturable else {"FAKE_TRT_UNCAPTURABLE": "1"}
    told = play("cuda-python", "people", FAKE_TRT_RTX="1", **more)
    assert told["same"] == [True] * 6
    assert told["captured"] is capturable


@pytest.mark.parametrize("scenario", ["switching", "race"])
@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_threads_load_use_and_close_at_once(layer: str, scenario: str, play: Play) -> None:
    assert play(layer, scenario) == []


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_one_goes_on_when_another_is_closed(layer: str, play: Play) -> None:
    assert play(layer, "beside") is None


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_a_cancelled_build_leaves_nothing(layer: str, play: Play) -> None:
    assert play(layer, "cancelled") == ["tiny FP32: building cancelled.", []]


def test_a_plan_that_is_refused_is_not_built_at_every_start(play: Play) -> None:
    (first, second), built = play("cuda-python", "refused")
    refused = "tiny: TensorRT 11.4.0.106 cannot load the plan it built for the Strict GPU (Error Code 1: Serialization)."
    assert first == refused
    assert second == f"{refused} Build it again with: poseapp models build tiny --precision fp32"
    assert built == [True, False]


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_an_old_driver_is_told_in_tensorrts_last_words(layer: str, play: Play) -> None:
    device, fallback = play(layer, "old_driver")
    assert device == "CPU"
    assert "CUDA initialization failure with error: 35" in fallback


def test_where_there_is_a_gpu_the_badge_says_why_it_does_not_serve(play: Play) -> None:
    pytest.importorskip("tensorrt_rtx")
    device, fallback = play("cuda-python", "auto", strict=False, FAKE_DRIVER="12080")
    assert device == "CPU"
    assert "needs a driver for CUDA 13, driver CUDA 12.8 serves CUDA 12.8. Update the NVIDIA driver." in fallback
    assert play("cuda-python", "auto", strict=False, FAKE_NO_GPU="1") == ["CPU", ""]
    assert play("cuda-python", "auto", strict=False, FAKE_INIT="100") == ["CPU", ""]  # no device


def test_a_library_that_cannot_be_imported_is_told_and_another_serves(play: Play) -> None:
    device, fallback, layer, asked_for = play("cuda-python", "broken_libraries")
    assert device == "CPU"
    assert "libtorch.so: undefined symbol" in fallback
    assert layer == "cuda-python"
    assert asked_for.startswith("CUDA: pycuda failed (libpycuda.so: undefined symbol)")


def test_timings_of_kernels_are_kept_between_builds(play: Play) -> None:
    assert play("cuda-python", "timings") == ["timings built", "timings built built", "timings built"]


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_a_full_memory_is_told_and_the_plan_stays(layer: str, play: Play) -> None:
    told = play(layer, "full")
    assert len(told) == 3
    for text in told:
        assert text.startswith("tiny: the GPU's memory is full (")


@pytest.mark.parametrize("layer", LAYERS, indirect=True)
def test_after_a_sticky_error_the_app_must_be_restarted(layer: str, play: Play) -> None:
    collected, inferred, opened, device, fallback = play(layer, "lost")
    restart = "GPU stopped working (CUDA_ERROR_LAUNCH_FAILED). Restart the app to use it again."
    assert collected.endswith(restart)
    assert inferred == collected
    assert opened == fallback == f"TensorRT: the {restart}"
    assert device == "CPU"


@pytest.mark.parametrize(
    ("init", "remedy"),
    [("803", "Restart the computer."), ("999", "Reload it"), ("802", "fabric manager"), ("46", "Close it.")],
)
def test_a_driver_that_does_not_start_is_told_with_its_remedy(init: str, remedy: str, play: Play) -> None:
    with pytest.raises(AssertionError) as caught:
        play("cuda-python", "people", FAKE_INIT=init)
    assert f"TensorRT: the NVIDIA driver does not start (error {init}): " in str(caught.value)
    assert remedy in str(caught.value)
