"""The command bench: its sub-commands, the one that is meant where none is named, and their old spellings."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import tiny_model

import poseapp
from poseapp.bench import __main__ as bench_main
from poseapp.bench.report import BenchmarkReport
from poseapp.cli.bench import with_sub_command
from poseapp.cli.main import main


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A model store with one tiny model in it."""
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


@pytest.mark.parametrize("command", [["bench"], ["bench", "pipeline"]], ids=" ".join)
def test_bench_gives_a_table_and_a_file(
    command: list[str], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseapp.bench.pipeline.WARM_UP_S", 0.1)
    path = tmp_path / "figures.json"
    assert main([*command, "--seconds", "1", "--json", str(path), "--engines-dir", str(store)]) == 0
    out = capsys.readouterr().out
    table = [line for line in out.splitlines() if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1
    assert re.match(r"tiny on (ONNX Runtime|OpenVINO) [\d.]+ · CPU · FP32; ", out)
    report = json.loads(path.read_text())
    assert report["model"] == "tiny"
    assert len(report["weights_sha256"]) == 64
    assert {"cpu", "cores", "memory_gb", "system"} <= set(report["machine"])
    assert report["versions"]["poseapp"] == poseapp.__version__
    assert len(report["measurements"]) == 3
    for measurement in report["measurements"]:
        assert measurement["fps"] > 1
        assert {"wait", "crop", "inference", "decode", "draw", "total"} <= set(measurement["ms"])
        p50, p95 = measurement["ms"]["total"]
        assert 0 < p50 <= p95
        assert measurement["first_pose_s"] > 0
    assert "encode" in report["measurements"][1]["ms"]


def test_a_report_that_cannot_be_written_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = BenchmarkReport("m", "0", "b", (), {"cpu": "c", "cores": "2", "system": "s"})
    monkeypatch.setattr("poseapp.bench.pipeline.run_benchmark", lambda *_, **__: report)
    assert main(["bench", "--json", str(tmp_path / "nowhere" / "file.json"), "--engines-dir", str(store)]) == 1
    assert "cannot be written (No such file or directory). Choose another file." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_soak_tells_the_memory_of_each_minute(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--minutes", "1", "--engines-dir", str(store)]) == 0
    out = capsys.readouterr().out
    assert "\n| 1 | " in out
    assert "1 min at " in out


@pytest.mark.parametrize("name", ["people", "--people-table"])
def test_the_people_table_says_what_is_missing(name: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", name, "--engines-dir", str(store), "--seconds", "1"]) == 0
    out = capsys.readouterr().out
    assert "| mode | model | people | fps | ms a frame (p50) | found |" in out
    assert "top-down: expected a person detector" in out
    assert "bottom-up: expected a model that finds all people at once" in out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["--soak", "3", "--device", "cpu"], ["soak", "--minutes", "3", "--device", "cpu"]),
        (["--device", "cpu", "--soak=3"], ["soak", "--minutes", "3", "--device", "cpu"]),
        (["--people-table", "--seconds", "1"], ["people", "--seconds", "1"]),
        (["--model", "a", "--mediapipe", "python3"], ["mediapipe", "python3", "--model", "a"]),
        (["--seconds", "2"], ["pipeline", "--seconds", "2"]),
        ([], ["pipeline"]),
        (["--help"], ["--help"]),
        (["people", "--seconds", "2"], ["people", "--seconds", "2"]),
    ],
)
def test_the_sub_command_that_is_meant(old: list[str], new: list[str]) -> None:
    assert with_sub_command(old) == new


@pytest.mark.parametrize("command", [["bench", "tracking"], ["bench", "stages"]], ids=" ".join)
def test_reports_are_printed(command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseapp.bench.tracking.report", lambda: "the report of tracking")
    monkeypatch.setattr("poseapp.bench.stages.report", lambda clip: f"the report of stages of {clip.name}")
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"the report of {command[1]}")
    assert bench_main.main([command[1]]) == bench_main.main([f"--{command[1]}"]) == 0
    assert capsys.readouterr().out.count(f"the report of {command[1]}") == 2


def test_without_the_command_line_only_some_benchmarks_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_main.main(["people"]) == 2
    assert "expected gpu, tracking or stages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "who"),
    [
        (["bench", "gpu"], "bench gpu needs"),
        (["bench", "training", "speed"], "training needs"),
    ],
)
def test_without_torch_one_line_says_what_to_install(
    command: list[str], who: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(command) == 1
    wanted = f'poseapp: {who} PyTorch, which is not installed. Install it with: pip install "poseapp[train]"\n'
    assert capsys.readouterr().err == wanted


def test_the_gpu_benchmark_has_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "gpu", "--help"]) == 0
    assert "--network NAME" in capsys.readouterr().out
    assert main(["bench", "gpu", "--network", "nowhere"]) == 2
    assert "hrnet-w32" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--mediapipe", "python", "--soak", "1"),
        ("--soak", "1", "--people-table"),
        ("--mediapipe", "python", "--json", "figures.json"),
        ("--mediapipe", "python", "--mode", "top-down"),
        ("--people-table", "--precision", "fp32"),
        ("--soak", "1", "--mode", "top-down"),
    ],
)
def test_bench_refuses_options_without_effect(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("poseapp: No such option: --")
    assert len(said.splitlines()) == 1
