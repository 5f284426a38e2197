"""Presets: everything comes back as it was saved, no password is written, and a file from anybody is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model
from clips import grey_clip
from fake_camera import GAIN, FakeDevice, plug_in
from fakes import Loader
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp import resources
from poseapp.cli import preset_options
from poseapp.cli.main import main
from poseapp.core.errors import PresetError
from poseapp.core.framing import Framing
from poseapp.live import sources
from poseapp.live.sources import Camera, Mode
from poseapp.live.sources.setup import SourceSetup
from poseapp.pipeline.modes import PoseSettings
from poseapp.render import DrawOptions
from poseapp.ui import key_store, startup
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.presets import Preset, Presets
from poseapp.ui.presets_page import PresetsPage
from poseapp.ui.source_choice import SYNTHETIC, SourceChoice

OpenWindow = Callable[..., MainWindow]
DESK = Camera(0, "Desk camera", path="/dev/video0")
SECRET = "rtsp://admin:hunter2@10.0.0.7:8554/live"
FULL = Preset(
    name="Squats, from the side",
    source=SourceChoice.camera(DESK),
    setup=SourceSetup(Framing(90, (0.1, 0.0, 0.9, 1.0)), {"gain": 7.0, "focus": "auto"}),
    mode=Mode(1920, 1080, 60.0, "MJPG"),
    model="second",
    device="cpu",
    precision="fp32",
    pose_settings=PoseSettings("top-down", 0.25, math.inf),
    draw=DrawOptions(
        threshold=0.45, labels=True, mirror=True, angles=True, angle_names=("left_knee",), blur_faces=True, background="black"
    ),
    clean_video=True,
    outputs=("osc://127.0.0.1:9000",),
)


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the system's key store holds."""
    store: dict[str, str] = {}
    monkeypatch.setattr(key_store, "keep", lambda address, entry="address": store.__setitem__(entry, address))
    monkeypatch.setattr(key_store, "recall", lambda entry="address": store.get(entry))
    monkeypatch.setattr(key_store, "forget", lambda entry="address": store.pop(entry, None))
    return store


def test_all_of_it_comes_back(presets: Presets) -> None:
    presets.save(FULL)
    found, broken = presets.all()
    assert (found, broken) == ([FULL], [])
    assert presets.named("squats, FROM the side ") == FULL
    (path,) = presets.folder.iterdir()
    assert path.name.startswith("squatsfromtheside-")
    assert path.stat().st_mode & 0o077 == 0


def test_the_same_name_takes_the_place_and_another_does_not(presets: Presets) -> None:
    for name in ("a b", "A b", "ab", "日本語", "中文", "../up"):
        presets.save(Preset(name=name))
    presets.save(Preset(name="ab", model="x"))
    assert sorted(preset.name for preset in presets.all()[0]) == sorted(["a b", "A b", "ab", "日本語", "中文", "../up"])
    assert presets.named("ab").model == "x"
    assert presets.named("A b").name == "A b", "the exact name first"
    assert {path.parent for path in presets.folder.rglob("*")} == {presets.folder}


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "two\nlines"])
def test_a_name_is_one_line(name: str) -> None:
    with pytest.raises(PresetError, match="expected a name of 1 to 60 characters"):
        Preset(name=name)


def test_deleted_is_gone_with_its_password(presets: Presets, kept: dict[str, str]) -> None:
    presets.save(Preset(name="phone", source=SourceChoice("address", SECRET, "rtsp://10.0.0.7:8554/live")))
    presets.delete("phone")
    assert presets.all() == ([], [])
    assert kept == {}
    with pytest.raises(PresetError, match=r"phone: no such preset\. There are: none is saved yet\."):
        presets.delete("phone")


def test_a_password_is_written_nowhere_but_in_the_key_store(presets: Presets, kept: dict[str, str]) -> None:
    presets.save(Preset(name="phone", source=SourceChoice("address", SECRET, "rtsp://10.0.0.7:8554/live")))
    (path,) = presets.folder.iterdir()
    assert "hunter2" not in path.read_text()
    assert kept == {"preset phone": SECRET}
    source = presets.named("phone").with_address().source
    assert source is not None
    assert source.value == SECRET
    kept.clear()
    with pytest.raises(PresetError, match="holds a password, which is not kept") as error:
        presets.named("phone").with_address()
    assert "hunter2" not in str(error.value)


def damaged(**changes: object) -> str:
    presets_json = {
        "schema": 1, "name": "x", "source": None, "setup": {}, "mode": {"width": 640, "height": 480, "fps": 30}, "model": "",
        "pose_settings": {"mode": "one", "smoothing": 0.5, "latency_budget_ms": None}, "draw": {}, "outputs": [],
    }  # fmt: skip
    return json.dumps(presets_json | changes)


def test_a_file_that_is_whole_is_read(presets: Presets) -> None:
    presets.folder.mkdir()
    (presets.folder / "x.json").write_text(damaged())
    assert [preset.name for preset in presets.all()[0]] == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "[" * 99, "\0",
        damaged(schema=2), damaged(name=3), damaged(name=""), damaged(name="a\nb"),
        damaged(source={"kind": "given"}), damaged(source=[1]),
        damaged(source={"kind": "address", "value": SECRET, "label": "x"}),
        damaged(setup={"framing": {"turn": 45}}), damaged(setup={"settings": {"iris": 3}}), damaged(setup=[]),
        damaged(mode=None), damaged(mode={"width": 1e9, "height": 1, "fps": 30}),
        damaged(mode={"width": True, "height": 1, "fps": 30}),
        damaged(model=["a"]), damaged(pose_settings={"mode": "everybody", "smoothing": 0.5}), damaged(pose_settings=3),
        damaged(pose_settings={"mode": "one", "smoothing": float("nan")}), damaged(draw=3), damaged(draw={"threshold": "0.5"}),
        damaged(draw={"angle_names": 3}), damaged(outputs="osc"), damaged(outputs=["gopher://x"]), damaged(outputs=["osc"] * 99),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_hides_nobody(presets: Presets, text: str) -> None:
    presets.save(Preset(name="good"))
    (presets.folder / "bad.json").write_text(text)
    found, broken = presets.all()
    assert [preset.name for preset in found] == ["good"]
    assert len(broken) == 1
    assert "bad.json: " in broken[0]
    assert "\n" not in broken[0]
    assert "hunter2" not in broken[0]


def test_what_another_version_draws_is_left_out(presets: Presets) -> None:
    presets.folder.mkdir()
    (presets.folder / "x.json").write_text(damaged(draw={"labels": True, "sparkles": True, "mirror": 1}, device="abacus"))
    assert presets.named("x").draw == DrawOptions(labels=True)
    assert presets.named("x").device == "auto"


# -- in the window -----------------------------------------------------------------------------------------------


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    device = FakeDevice(fps=60)
    plug_in(monkeypatch, device)
    monkeypatch.setattr(startup, "list_cameras", lambda: [DESK])
    return device


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, device: FakeDevice, presets: Presets) -> MainWindow:
    """A window on the desk camera."""
    window = open_window(remembered=True, load=Loader())
    window.preset_actions.presets = presets
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def page_of(window: MainWindow) -> PresetsPage:
    (page,) = window.findChildren(PresetsPage)
    return page


def test_saved_in_the_window_and_loaded_after_all_was_changed(
    qtbot: QtBot, window: MainWindow, device: FakeDevice, presets: Presets
) -> None:
    controller = window.controller
    controller.setups.change(lambda setup: setup.framed(Framing(90)).asking({"gain": 7.0}))
    window.view_actions.set_draw(labels=True)
    controller.set_pose_settings(PoseSettings("one", 0.75))
    window.record_bar.clean.set_on(True)
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    page = page_of(window)
    with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
        pass
    assert not page.save.isEnabled()
    page.name.setText("Desk")
    with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
        QTest.mouseClick(page.save, Qt.MouseButton.LeftButton)
    saved = presets.named("Desk")
    assert saved.source == SourceChoice.camera(DESK)
    assert (saved.setup, saved.model) == (SourceSetup(Framing(90), {"gain": 7.0}), "first")
    assert saved.draw.labels
    assert saved.clean_video
    page.reject()

    controller.setups.reset()
    window.view_actions.set_draw(labels=False)
    controller.set_pose_settings(PoseSettings("one", 0.0))
    window.record_bar.clean.set_on(False)
    controller.choose(SYNTHETIC)
    qtbot.waitUntil(lambda: controller.choice == SYNTHETIC and device.released, timeout=WAIT_MS)
    device.values[GAIN] = 0.0

    window.menus.actions["presets"].trigger()
    page = next(page for page in window.findChildren(PresetsPage) if page.isVisible())
    with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
        pass
    QTest.keyClick(page.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: controller.choice == saved.source, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: device.values[GAIN] == 7.0, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: (r := window.view.result) is not None and r.frame.hw == (640, 360), timeout=WAIT_MS)
    assert window.preset_actions.present("Desk") == saved
    assert window.menus.actions["labels"].isChecked()
    assert window.record_bar.clean.isChecked()
    assert window.sidebar.pose.pose_settings == saved.pose_settings


def test_a_preset_of_a_model_that_is_gone_says_so_and_does_the_rest(qtbot: QtBot, window: MainWindow) -> None:
    window.preset_actions.use(replace(FULL, model="gone", source=SYNTHETIC, setup=SourceSetup(Framing(180))))
    assert "gone" in window.banner.text
    qtbot.waitUntil(lambda: (s := window.bridge.status()) is not None and s.framing == Framing(180), timeout=WAIT_MS)
    assert window.controller.choice == SYNTHETIC
    assert window.sidebar.view.options == FULL.draw


def test_deleted_on_the_page(qtbot: QtBot, window: MainWindow, presets: Presets) -> None:
    presets.save(FULL)
    window.preset_actions.open()
    page = page_of(window)
    with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
        pass
    assert FULL.summary in page.list.item(0).text()
    with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
        QTest.keyClick(page.list, Qt.Key.Key_Delete)
    assert page.list.count() == 0
    assert presets.all() == ([], [])


def test_at_the_start_a_preset_is_what_was_chosen_last(
    qtbot: QtBot, open_window: OpenWindow, device: FakeDevice, make_preferences: Callable[[], Preferences]
) -> None:
    preferences = make_preferences()
    FULL.apply_to(preferences)
    preferences.save()
    window = open_window(remembered=True, model=None, device=None, load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert window.preset_actions.present(FULL.name) == FULL


# -- without a window --------------------------------------------------------------------------------------------


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Presets:
    """The user's own presets, of this test."""
    monkeypatch.setattr(resources, "config_dir", lambda: tmp_path / "config")
    return Presets()


def test_loaded_by_name_from_the_command_line(
    saved: Presets, tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    monkeypatch.setattr(sources, "list_cameras", lambda: [Camera(3, "Other"), DESK])
    saved.save(replace(FULL, model="tiny", pose_settings=PoseSettings("one", 0.25), draw=DrawOptions(mirror=True, labels=True)))
    common = ["run", "--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(tmp_path / "out"), "--seconds", "0.5"]
    assert main([*common, "--preset", FULL.name, "--rotate", "180"]) == 0
    (manifest,) = (tmp_path / "out").glob("*/session.json")
    content = json.loads(manifest.read_text())
    assert content["source"]["name"] == "Desk camera"
    assert content["source"]["requested"]["width"] == 1920
    settings = content["settings"][0]
    assert settings["framing"] == {"turn": 180, "crop": [0.1, 0.0, 0.9, 1.0]}, "what is given counts, the rest is the preset's"
    assert (settings["draw"]["mirror"], settings["draw"]["labels"]) == (False, True)
    assert device.values[GAIN] == 7.0
    assert (manifest.parent / "clean.mkv").exists()


def test_a_source_that_is_given_counts_in_the_place_of_the_presets(saved: Presets, tmp_path: Path) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    clip = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(5)])
    saved.save(Preset(name="Desk", source=SourceChoice.camera(DESK), model="tiny"))
    common = ["run", str(clip), "--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(tmp_path / "out")]
    assert main([*common, "--preset", "desk"]) == 0


def test_a_camera_that_is_not_there_is_said(
    saved: Presets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    monkeypatch.setattr(sources, "list_cameras", list)
    saved.save(Preset(name="Desk", source=SourceChoice.camera(DESK), model="tiny"))
    assert main(["run", "--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(tmp_path), "--preset", "Desk"]) == 1
    assert capsys.readouterr().err == "poseapp: Desk: Desk camera is not plugged in. Plug it in, or give another source.\n"


def test_the_list_and_an_unknown_name(saved: Presets, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    assert "No preset is saved." in capsys.readouterr().out
    saved.save(FULL)
    assert main(["presets"]) == 0
    assert capsys.readouterr().out == "Squats, from the side: Desk camera · turned 90°, cropped · second · top-down · osc\n"
    assert main(["run", "--headless", "--preset", "Squat"]) == 1
    assert capsys.readouterr().err == "poseapp: Squat: no such preset. There are: Squats, from the side.\n"
    assert preset_options.find_preset("") is None
