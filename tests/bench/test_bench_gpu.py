"""The benchmark of networks on a GPU: its arithmetic, its tables, and what it says where there is no GPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from poseapp.bench.gpu.measuring import Line, Rates, measure, measure_rates, moved_bytes, run
from poseapp.bench.gpu.report import goals, line_json, table
from poseapp.bench.gpu.subjects import Subject, made_up_crops, published, subjects
from poseapp.bench.gpu.ways import COMPILED, EAGER, GRAPHS, ROUNDED, InPrecision, deployed, torch_way
from poseapp.engine.driver import find_gpu
from poseapp.engine.store import list_models
from poseapp.nets.blocks import count_parameters

no_gpu_here = pytest.mark.skipif(not isinstance(find_gpu(), str), reason="this machine has an NVIDIA GPU")

CPU = torch.device("cpu")
SPEC = published("tiny", (32, 32))
RATES = Rates({"FP32": 1e12, "FP16": 4e12}, 1e12)
LINE = Line("hrnet-w32", 1, "PyTorch graph FP16", macs=8_000_000_000, moved_bytes=60_000_000, p50_ms=4.0, p95_ms=4.4)


class Tiny(nn.Module):
    """One convolution: 3·3·3·17 weights and 17 biases, 3·3·3·17·8·8 multiply-accumulates."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 17, 3, stride=4, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x)]


# --- arithmetic -----------------------------------------------------------------------------------------------


def test_the_limit_is_that_of_the_slower_of_sums_and_memory() -> None:
    assert RATES.limit_ms(LINE) == pytest.approx(2.0)  # 8e9 / 4e12 s; memory would take 0.06 ms
    assert RATES.limit_ms(replace(LINE, moved_bytes=3_000_000_000)) == pytest.approx(3.0)
    assert RATES.limit_ms(replace(LINE, batch=8)) == pytest.approx(16.0)
    assert RATES.limit_ms(replace(LINE, way=EAGER)) == pytest.approx(8.0)
    assert math.isnan(RATES.limit_ms(replace(LINE, way="TensorRT INT8")))  # its rate was not measured


def test_people_a_second() -> None:
    assert replace(LINE, batch=8, p50_ms=2.0).people_per_s == pytest.approx(4000)


@pytest.mark.parametrize(("way", "size"), [(EAGER, 4), ("PyTorch graph BF16", 2), ("TensorRT FP16", 2), ("TensorRT INT8", 1)])
def test_what_must_cross_the_memory(way: str, size: int) -> None:
    crops, maps = 32 * 32 * 3, 17 * 8 * 8
    assert moved_bytes(SPEC, 1000, 3, way) == 1000 * size + 3 * (crops + maps * size)


def test_percentiles_of_what_was_timed() -> None:
    now = 0.0
    durations = iter([0.0] * 10 + [0.001 * (i + 1) for i in range(100)])

    def once() -> None:
        nonlocal now
        now += next(durations)

    p50, p95 = measure(once, 0.21, lambda: now)  # 1 + 2 + … + 20 ms is 0.21 s
    assert p50 == pytest.approx(10.5)
    assert p95 == pytest.approx(19.05)


def test_rates_are_those_of_real_work() -> None:
    rates = measure_rates(CPU, side=256, nbytes=1 << 20, seconds=0.05)
    assert set(rates.macs_per_s) == {"FP32"}
    assert 1e6 < rates.macs_per_s["FP32"] < 1e13
    assert 1e6 < rates.bytes_per_s < 1e13  # a busy machine is slow, a wrong unit is further off


# --- running, on the CPU as far as that goes ------------------------------------------------------------------


def test_what_a_cpu_can_do_is_measured_and_the_rest_is_told() -> None:
    said: list[str] = []
    lines = run([Subject(SPEC, Tiny)], CPU, 0.01, ways=(EAGER, *GRAPHS), batches=(1, 2), said=said.append)
    assert [(line.way, line.batch) for line in lines] == [(way, n) for way in (EAGER, *GRAPHS) for n in (1, 2)]
    for line in lines:
        assert line.macs == 27 * 17 * 64
        if line.way == EAGER:
            assert 0 < line.p50_ms <= line.p95_ms
            assert line.reason == ""
        else:
            assert math.isnan(line.p50_ms)
            assert line.reason == "needs an NVIDIA GPU"
    assert len(said) == 6


def test_each_line_is_kept_at_once_and_what_is_compiled_comes_last() -> None:
    counts: list[int] = []
    two = [Subject(SPEC, Tiny), Subject(replace(SPEC, name="second"), Tiny)]
    lines = run(two, CPU, 0.01, (COMPILED, EAGER), (1,), said=lambda _text: None, kept=lambda lines: counts.append(len(lines)))
    assert counts == [1, 2, 3, 4]
    assert [line.way for line in lines] == [EAGER, EAGER, COMPILED, COMPILED]


def test_one_way_that_fails_does_not_end_the_others() -> None:
    class Broken(Tiny):
        def forward(self, x: Tensor) -> list[Tensor]:
            if len(x) > 1:
                raise RuntimeError("CUDA out of memory.\nTried to allocate much.")
            return super().forward(x)

    lines = run([Subject(SPEC, Broken)], CPU, 0.01, ways=(EAGER,), batches=(1, 2), said=lambda _text: None)
    assert lines[0].reason == ""
    assert lines[1].reason == "CUDA out of memory."


@pytest.mark.parametrize(("way", "rounds"), [(EAGER, False), (ROUNDED, True)])
def test_fp32_is_measured_without_tf32_and_tf32_with_it(way: str, rounds: bool) -> None:
    with torch_way(way, Subject(SPEC, Tiny), 1, CPU):
        assert torch.backends.cudnn.allow_tf32 is rounds


@no_gpu_here
def test_tensorrt_without_a_gpu_is_told() -> None:
    lines = run([Subject(SPEC, Tiny)], CPU, 0.01, ways=("TensorRT FP16",), batches=(1, 8), said=lambda _text: None)
    assert [line.reason.startswith("TensorRT: ") for line in lines] == [True, True]


def test_half_precision_computes_the_same_network() -> None:
    subject = Subject(SPEC, Tiny)
    torch.manual_seed(0)
    full = deployed(subject, CPU)
    half = InPrecision(Tiny().eval(), torch.bfloat16)
    half.net.load_state_dict({name: value.to(torch.bfloat16) for name, value in full.net.state_dict().items()})  # type: ignore[union-attr]
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        want, found = full.net(pixels)[0], half(pixels)  # type: ignore[operator]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, want, atol=0.02, rtol=0.02)


def test_the_table_is_about_the_bundled_and_the_published_networks(repo_root: Path) -> None:
    found = {subject.spec.name: subject for subject in subjects(repo_root / "engines")}
    assert {"hrnet-w32", "hrnet-w48", "hourglass-1", "hourglass-2", "hourglass-8", "cpm"} <= set(found)
    bundled = [subject for subject in found.values() if subject.folder is not None]
    assert [subject.spec.name for subject in bundled] == [model.name for model in list_models(repo_root / "engines")]
    for subject in bundled:
        assert count_parameters(subject.make()) == subject.spec.parameters, "the network measured is not the one stored"
    spec = replace(found["cpm"].spec, input_hw=(64, 64))  # as published it takes a second
    with torch.inference_mode():
        keypoints, maps = deployed(replace(found["cpm"], spec=spec), CPU)(torch.from_numpy(made_up_crops(spec, 1)))
    assert keypoints.shape == (1, spec.skeleton.k, 3)
    assert maps.shape == (1, spec.skeleton.k, *spec.heatmap_hw)


# --- the report -----------------------------------------------------------------------------------------------


def test_the_table_says_what_was_measured_and_why_the_rest_was_not() -> None:
    lines = [
        replace(LINE, way=EAGER, p50_ms=20.0, p95_ms=21.0),
        LINE,
        replace(LINE, way="TensorRT FP16", p50_ms=math.nan, reason="TensorRT: not installed."),
        replace(LINE, way="TensorRT FP16", batch=8, p50_ms=math.nan, reason="TensorRT: not installed."),
    ]
    assert table(lines, RATES).splitlines()[2:] == [
        "| hrnet-w32 | 1 | PyTorch eager FP32 | 20.000 | 21.000 | 50 | 1.0 | 8.000 | 40 % |",
        "| hrnet-w32 | 1 | PyTorch graph FP16 | 4.000 | 4.400 | 250 | 5.0 | 2.000 | 50 % |",
        "| hrnet-w32 | 1 | TensorRT FP16 | – | – | – | – | – | – |",
        "| hrnet-w32 | 8 | TensorRT FP16 | – | – | – | – | – | – |",
        "",
        "Not run:",
        "- hrnet-w32 TensorRT FP16 batch 1, hrnet-w32 TensorRT FP16 batch 8: TensorRT: not installed.",
    ]


def test_goals_are_judged_by_what_was_measured_only() -> None:
    eager = replace(LINE, way=EAGER, p50_ms=20.0)
    fast = replace(LINE, p50_ms=1.9)
    eights = replace(LINE, batch=8, p50_ms=4.0)
    assert [goal.reached for goal in goals([eager, LINE, replace(eights, p50_ms=2.0)])] == [False, True, True]
    assert [goal.reached for goal in goals([eager, LINE, fast, eights])] == [True, True, False]
    assert goals([eager, fast])[1].got == "10.5 times with PyTorch graph FP16"
    assert [goal.reached for goal in goals([eager])] == [None, None, None]
    assert [goal.reached for goal in goals([replace(LINE, p50_ms=math.nan, reason="no")])] == [None, None, None]
    assert goals([eager, eights])[2].got == "2,000.00 people/s with PyTorch graph FP16"


@no_gpu_here
@pytest.mark.parametrize("name", ["gpu", "--gpu"])
def test_the_command_says_what_is_missing(name: str) -> None:
    done = run_light(BENCH, name)
    assert done.returncode == 1
    assert done.stderr.startswith("The GPU benchmark cannot run here: ")
    assert done.stdout == ""


# --- a borrowed machine has neither cameras nor a screen ------------------------------------------------------

BENCH = "runpy.run_module('poseapp.bench.__main__', run_name='__main__', alter_sys=True)"
LIGHT = """
import importlib.abc, runpy, sys

REFUSED = "PySide6 av cv2_enumerate_cameras pooch pyqtgraph pytestqt rich shiboken6 typer".split()

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in REFUSED:
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
"""


def run_light(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run *code* where no package for cameras, video, Qt or the command line can be imported, not even where that is expected."""
    command = [sys.executable, "-c", f"{LIGHT}{code}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=cwd)


@pytest.mark.parametrize("name", ["gpu", "--gpu"])
def test_the_gpu_benchmark_imports_nothing_of_cameras_video_qt_or_the_command_line(name: str) -> None:
    done = run_light(BENCH, name, "--network", "nowhere")
    assert done.returncode == 2, done.stderr  # it came to where it knows the networks
    assert "hrnet-w32" in done.stderr


def test_the_pipelines_benchmark_would_be_noticed() -> None:
    assert "is imported" in run_light("import poseapp.bench.pipeline").stderr


def test_the_tests_of_a_gpu_import_nothing_of_cameras_video_or_qt(repo_root: Path) -> None:
    code = "import pytest; raise SystemExit(pytest.main(sys.argv[1:]))"
    options = ["-p", "no:pytest-qt", "-p", "no:cacheprovider", "--collect-only", "-q"]
    done = run_light(code, "tests/gpu", *options, cwd=repo_root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_gpu_contract.py::test_it_says_what_really_runs" in done.stdout


def test_lines_are_json(tmp_path: Path) -> None:
    text = json.dumps(line_json(replace(LINE, p50_ms=math.nan, p95_ms=math.nan, reason="no")))
    assert "NaN" not in text
    assert json.loads(text)["reason"] == "no"
