"""A backend is added by one entry in BACKENDS: loading, the command line and the window then know it.

A real one touches three files: its own module, its entry in poseapp/engine/backends.py, and its line in test_contract.py.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dummy_backend
import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from tiny_model import write_model

from poseapp.core.errors import ModelError
from poseapp.engine import backends, choice
from poseapp.engine.backends import BACKENDS, BackendModule
from poseapp.engine.load import builds_first, load_engine
from poseapp.engine.store import find_model
from poseapp.ui.model_controls import ModelControls

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model, in a store of its own, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_model(tmp_path / "engines" / "tiny")


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(BACKENDS, "dummy", dummy_backend.ENTRY)


@pytest.mark.usefixtures("dummy")
@pytest.mark.parametrize("device", ["dummy", "auto"])
def test_it_runs(device: str, folder: Path) -> None:
    engine = load_engine(folder, device)
    found = engine.infer(np.zeros((3, *engine.spec.input_hw, 3), np.uint8), heatmaps=True)
    engine.close()
    assert str(engine.backend) == "Dummy 1.0 · Desk · FP32"
    assert engine.backend.fallback == ""
    assert found.keypoints[..., :2].reshape(-1, 2).tolist() == [[1, 2]] * 3 * engine.spec.skeleton.k
    assert found.heatmaps is not None
    assert not builds_first(folder, device)


@pytest.mark.usefixtures("dummy")
def test_where_it_cannot_be_used_it_says_why_and_the_cpu_serves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dummy_backend, "missing", "Dummy: the desk is missing. Buy one.")
    assert backends.unavailable("dummy") == "Dummy: the desk is missing. Buy one."
    engine = load_engine(folder, "dummy", 1)
    engine.close()
    assert (engine.backend.device, engine.backend.fallback) == ("CPU", "Dummy: the desk is missing. Buy one.")


@pytest.mark.usefixtures("dummy")
def test_a_backend_that_cannot_be_imported_says_so_and_the_cpu_serves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "dummy", replace(dummy_backend.ENTRY, module="there_is_no_such_module"))
    engine = load_engine(folder, "dummy", 1)
    engine.close()
    assert engine.backend.device == "CPU"
    assert engine.backend.fallback == ("dummy: it cannot be used (No module named 'there_is_no_such_module'). Install it again.")


def test_on_a_cpu_it_is_timed_beside_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "dummy", replace(dummy_backend.ENTRY, kind="CPU"))
    heard: list[str] = []

    def progress(text: str, _share: float) -> bool:
        heard.append(text)
        return True

    engine = load_engine(folder, "cpu", 1, progress)
    engine.close()
    assert any("Dummy FP32" in text for text in heard)
    timings = choice.read(engine.spec, 1, choice.options(engine.spec))
    assert timings is not None
    (timing,) = (one for one in timings if one.runtime == "dummy")
    assert not timing.usable, "its joints are not the model's"
    assert "Dummy" not in engine.backend.runtime
    (kept,) = (Path(os.environ["XDG_CACHE_HOME"]) / "poseapp" / choice.CACHE).iterdir()
    assert json.loads(kept.read_text())["key"]["dummy"] == "1.0"
    alone = load_engine(folder, "dummy", 1)
    alone.close()
    assert alone.backend.fallback.startswith("tiny: Dummy FP32 moves joints by ")


@pytest.mark.usefixtures("dummy")
def test_a_word_that_is_no_device_is_answered_with_all_of_them(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"^device 'abacus': expected one of auto, cpu, openvino, cuda, tensorrt, dummy\.$"):
        load_engine(folder, "abacus")


@pytest.mark.usefixtures("dummy")
def test_it_counts_as_a_gpu_for_the_default_model(folder: Path) -> None:
    for name in ("hourglass-l", "hourglass-s"):
        write_model(folder.parent / name)
    assert find_model(folder.parent, None, "dummy").name == "hourglass-l"


def poseapp_with_dummy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, where the entry was added first."""
    program = (
        "import sys; from dummy_backend import ENTRY; from poseapp.engine.backends import BACKENDS; "
        "BACKENDS['dummy'] = ENTRY; from poseapp.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]), "COLUMNS": "200"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


def test_the_command_line_lists_it_and_takes_it(folder: Path, sample_picture: Path, tmp_path: Path) -> None:
    told = poseapp_with_dummy("run", "--help")
    assert "dummy (a desk)" in " ".join(told.stdout.split())
    store = ["--engines-dir", str(folder.parent)]
    ran = poseapp_with_dummy("run", str(sample_picture), "--headless", "-o", str(tmp_path / "out"), "--device", "dummy", *store)
    assert ran.returncode == 0, ran.stderr
    assert "Dummy 1.0" in ran.stdout + ran.stderr


def test_the_window_offers_it_with_its_label_and_tip(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "dummy", dummy_backend.ENTRY)
    controls = ModelControls()
    qtbot.addWidget(controls)
    box = controls.device_box
    row = box.findData("dummy", Qt.ItemDataRole.UserRole)
    assert box.itemText(row) == "Dummy"
    assert box.itemData(row, Qt.ItemDataRole.ToolTipRole) == "A desk"
    controls.set_devices({**dict.fromkeys(backends.device_labels(), ""), "dummy": "The desk is missing."})
    index = box.model().index(row, 0)
    assert not index.flags() & Qt.ItemFlag.ItemIsEnabled
    assert index.data(Qt.ItemDataRole.ToolTipRole) == "The desk is missing."


def test_every_backend_has_the_functions_of_a_backend() -> None:
    for entry in BACKENDS.values():
        module: BackendModule = entry.load()
        for function in ("unavailable", "version", "builds_first", "open_engine"):
            assert callable(getattr(module, function))


def test_no_backend_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys, poseapp.engine.load, poseapp.engine.backends as b; "
        "print([e.name for e in b.BACKENDS.values() if e.module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[]"


def test_the_modules_are_where_the_entries_say() -> None:
    for entry in BACKENDS.values():
        assert importlib.util.find_spec(entry.module) is not None
