"""poseapp models build and prune."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
import tiny_model
import typer
from rich.console import Console

from poseapp.cli.main import main
from poseapp.cli.progress import building
from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.engine.base import Progress
from poseapp.engine.driver import Gpu, find_gpu
from poseapp.engine.tensorrt import library
from poseapp.engine.tensorrt.builder import ensure_plan
from poseapp.engine.tensorrt.plans import Plan, PlanRequest

needs_tensorrt = pytest.mark.skipif(library.tensorrt() is None, reason="TensorRT is not installed: pip install tensorrt-rtx")
no_gpu_here = pytest.mark.skipif(not isinstance(find_gpu(), str), reason="this machine has an NVIDIA GPU")
GPU = Gpu("NVIDIA GeForce RTX 3060", (8, 6), "580.65.06")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tiny_model.write_model(tmp_path / "engines" / "tiny")
    return tmp_path / "engines"


def build_tiny(store: Path, progress: Progress) -> Plan:
    spec = ModelSpec.read(store / "tiny" / "model.json")
    return ensure_plan(PlanRequest(store / "tiny", spec, "fp32", 1, GPU), progress, accepts=lambda _content: True)


@no_gpu_here
def test_without_a_gpu_it_is_one_line(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "build", "tiny", "--engines-dir", str(store)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("poseapp: TensorRT: ")
    assert error.endswith("It needs an NVIDIA GPU and its driver.\n")
    assert not list((store / "tiny").glob("*.plan*"))


@pytest.mark.parametrize(
    ("precision", "status", "told"),
    [
        ("fp16", 1, "tiny has no FP16 file. Make one with: poseapp models convert tiny --precision fp16\n"),
        ("int4", 2, "expected one of fp32, fp16, int8, got 'int4'"),
    ],
)
def test_a_precision_that_cannot_be_built(
    precision: str, status: int, told: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "build", "tiny", "--precision", precision, "--engines-dir", str(store)]) == status
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nobody"], ["tiny", "--batch", "9"], ["tiny", "--batch", "0"]])
def test_wrong_arguments(arguments: list[str], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "build", *arguments, "--engines-dir", str(store)]) in (1, 2)
    error = capsys.readouterr().err
    assert "nobody" in error or "batch" in error


@needs_tensorrt
def test_a_bar_shows_the_build(store: Path) -> None:
    heard: list[tuple[str, float]] = []
    screen = io.StringIO()
    with building(Console(file=screen, force_terminal=True, width=100)) as progress:

        def both(text: str, share: float) -> bool:
            heard.append((text, share))
            return progress(text, share)

        build_tiny(store, both)
    assert "building tiny FP32: there is none yet" in screen.getvalue()
    assert heard[-1][1] > 0.8


@needs_tensorrt
def test_ctrl_c_cancels_between_two_steps(store: Path) -> None:
    count = 0
    screen = io.StringIO()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(text: str, share: float) -> bool:
        nonlocal count
        count += 1
        if count == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return shown(text, share)

    with pytest.raises(typer.Abort), building(Console(file=screen)) as shown:
        build_tiny(store, interrupt)
    assert "tiny FP32: building cancelled." in screen.getvalue()
    assert 10 <= count < 20
    assert signal.getsignal(signal.SIGINT) is before
    assert not list((store / "tiny").glob("nvidia*"))


def test_an_error_of_the_build_is_not_taken_for_ctrl_c() -> None:
    with pytest.raises(EngineError, match="no memory"), building(Console(file=io.StringIO())):
        raise EngineError("no memory")


@needs_tensorrt
def test_prune_says_what_went(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # not the user's
    plan = build_tiny(store, lambda _text, _share: True)
    assert main(["models", "prune", "--engines-dir", str(store)]) == 0
    assert "0 files removed" in capsys.readouterr().err
    (store / "tiny" / "forgotten.plan").write_bytes(bytes(2_000_000))
    assert main(["models", "prune", "--engines-dir", str(store)]) == 0
    error = capsys.readouterr().err
    assert "forgotten.plan: nothing says what it was made for" in error
    assert "1 files removed, 2.0 MB." in error
    assert plan.path.exists()
    assert main(["models", "prune", "--all", "--engines-dir", str(store)]) == 0
    assert "2 files removed" in capsys.readouterr().err
    assert not plan.path.exists()
    assert (store / "tiny" / "model.onnx").exists()
