"""The window starts and stops recordings by itself: countdown with digits and tones, length, empty picture, raised hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from fakes import FlakyCamera, Loader
from on_screen import WAIT_MS, status
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poseapp.live.recording import Recording, StartStop
from poseapp.live.recording.counts import Counts
from poseapp.live.recording.start_stop import ended_text
from poseapp.live.sound import SyntheticMicrophone
from poseapp.live.status import Status
from poseapp.ui import dialogs, recording_actions
from poseapp.ui.actions import action
from poseapp.ui.app import Opening, set_up_recordings
from poseapp.ui.beep import LOUDNESS, PLAYERS, RATE, TONES, Tone, player, wav
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.start_stop import summary
from poseapp.ui.start_stop_dialog import StartStopDialog, duration

OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def camera_window(qtbot: QtBot, open_window: OpenWindow) -> MainWindow:
    """A window on a made-up camera; its tones are collected in ``tones``."""
    window = open_window(FlakyCamera([], fps=60), load=Loader())
    window.tones = []  # type: ignore[attr-defined]
    window.start_stop.sound = window.tones.append  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def tones(window: MainWindow) -> list[Tone]:
    collected: list[Tone] = window.tones  # type: ignore[attr-defined]
    return collected


def recording(window: MainWindow) -> Recording | None:
    found: Recording | None = status(window).recording
    return found


def has_a_frame(window: MainWindow) -> bool:
    """Whether a recording runs that would be kept: an empty one is not."""
    now = recording(window)
    return now is not None and now.active and now.counts.written > 0


def the_dialog() -> StartStopDialog:
    (dialog,) = (one for one in QApplication.topLevelWidgets() if isinstance(one, StartStopDialog) and one.isVisible())
    return dialog


# -- the dialog ----------------------------------------------------------------------------------------------------


def test_the_key_and_the_button_open_the_dialog(qtbot: QtBot, window: MainWindow) -> None:
    for by_key in (True, False):
        if by_key:
            QTest.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
        else:
            QTest.mouseClick(window.record_bar.timer, Qt.MouseButton.LeftButton)
        dialog = the_dialog()
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        assert not dialog.isVisible()
    assert action("start_stop").keys == ("Shift+R",)


def test_what_is_chosen_counts_at_once_and_is_remembered(
    qtbot: QtBot, window: MainWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window.start_stop.open()
    dialog = the_dialog()
    for box, value in ((dialog.countdown, 5.0), (dialog.length, 120.0), (dialog.empty, 3.0), (dialog.hand, "start-stop")):
        row = box.findData(value)
        assert row >= 0
        box.activated.emit(row)
        assert box.currentData() == value
    dialog.beeps.setChecked(False)
    dialog.close()
    expected = StartStop(countdown_s=5, stop_after_s=120, stop_empty_s=3, hand="start-stop")
    assert window.preferences.start_stop == expected
    session = window.bridge.session
    assert session is not None
    assert session.settings.hand_sign
    assert window.record_bar.timer.isChecked()
    assert "countdown 5 s, stops after 2 min" in window.record_bar.timer.toolTip()
    window.preferences.save()
    again = make_preferences()
    assert again.start_stop == expected
    assert not again.beeps


def test_a_click_on_the_button_only_opens(window: MainWindow) -> None:
    QTest.mouseClick(window.record_bar.timer, Qt.MouseButton.LeftButton)
    the_dialog().close()
    assert not window.record_bar.timer.isChecked(), "nothing was chosen"


def test_any_other_time_can_be_typed(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[float | None] = [77.0, None]
    monkeypatch.setattr(dialogs, "ask_seconds", lambda *_: answers.pop(0))
    window.start_stop.open()
    dialog = the_dialog()
    for _ in range(2):  # the second time the user thinks better of it
        dialog.length.activated.emit(dialog.length.findData(None))
        assert dialog.length.currentText() == "1 min 17 s"
        assert window.preferences.start_stop.stop_after_s == 77
    dialog.close()


def test_settings_that_cannot_be_are_off(settings_file: Path) -> None:
    settings_file.write_text('{"recording/countdown_s": "-3", "recording/stop_after_s": "1e99", "recording/hand": "wave"}')
    assert Preferences(settings_file).start_stop == StartStop()


# -- the countdown -------------------------------------------------------------------------------------------------


def test_a_countdown_shows_digits_sounds_and_begins(qtbot: QtBot, camera_window: MainWindow) -> None:
    window = camera_window
    window.start_stop.choose(StartStop(countdown_s=1.5))
    shown: list[str] = []
    paint = window.view.set_countdown

    def show(digits: str) -> None:
        shown.append(digits)
        paint(digits)

    window.view.set_countdown = show  # type: ignore[method-assign]
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.record_bar.record.text() == "Cancel", timeout=WAIT_MS)
    assert window.view._recording == ""
    qtbot.waitUntil(lambda: window.record_bar.record.text().startswith("Stop"), timeout=WAIT_MS)
    assert [digit for digit in shown if digit] == ["2", "1"]
    assert shown[-1] == ""
    assert tones(window) == ["count", "count", "begin"]
    window.start_stop.choose(StartStop())
    qtbot.waitUntil(lambda: has_a_frame(window), timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.saved.isVisible(), timeout=WAIT_MS)


def test_the_digits_are_large(qtbot: QtBot, window: MainWindow) -> None:
    window.bridge.paused = True
    before = window.view.grab().toImage()
    window.view.set_countdown("3")
    after = window.view.grab().toImage()
    columns = range(0, after.width(), 8)
    changed = [y for y in range(0, after.height(), 4) if any(before.pixel(x, y) != after.pixel(x, y) for x in columns)]
    assert max(changed) - min(changed) > 0.5 * after.height()


def test_a_countdown_is_called_off_by_the_same_key(qtbot: QtBot, camera_window: MainWindow) -> None:
    window = camera_window
    window.start_stop.choose(StartStop(countdown_s=600))
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.record_bar.record.text() == "Cancel", timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.record_bar.record.text() == "Record", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not any(window.preferences.folder.glob("*")), timeout=WAIT_MS)
    assert not window.saved.isVisible()
    assert window.view._countdown == ""
    assert "begin" not in tones(window)


# -- stopping ------------------------------------------------------------------------------------------------------


def test_a_recording_that_stops_by_itself_says_why(qtbot: QtBot, camera_window: MainWindow) -> None:
    window = camera_window
    window.start_stop.choose(StartStop(stop_after_s=0.5))
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.saved.isVisible(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.banner.text == ended_text("length"), timeout=WAIT_MS)
    assert tones(window) == ["end"]
    done = recording(window)
    assert done is not None
    assert done.seconds <= 0.5


# -- the raised hand -----------------------------------------------------------------------------------------------


def with_signs(now: Status, signs: int, active: bool | None = None) -> Status:
    """*now* with so many signs so far, and a recording that is active or none."""
    one = None
    if active is not None:
        counts = Counts()
        one = Recording(
            folder=Path("x"), active=active, seconds=1.0, bytes=0, counts=counts, segment=1, disk_left_s=1e6, error=""
        )
    return replace(now, hand_signs=signs, hand_progress=0.5, recording=one)


@pytest.mark.parametrize(
    ("hand", "active", "toggles"),
    [
        ("off", None, 0),
        ("off", True, 0),
        ("start", None, 1),
        ("start", True, 0),
        ("start-stop", None, 1),
        ("start-stop", True, 1),
    ],
)
def test_what_a_raised_hand_does(window: MainWindow, hand: Any, active: bool | None, toggles: int) -> None:
    toggled: list[int] = []
    window.bridge._polls.stop()
    window.start_stop.sound = lambda _tone: None
    window.start_stop._toggle = lambda: toggled.append(1)
    window.start_stop.choose(StartStop(hand=hand))
    now = status(window)
    window.start_stop.show_status(with_signs(now, 0, active))
    assert window.view._hand == (0.5 if toggles else 0.0)
    for signs in (1, 1):  # one sign is one sign, however often the status tells of it
        window.start_stop.show_status(with_signs(now, signs, active))
    assert len(toggled) == toggles


# -- sound ---------------------------------------------------------------------------------------------------------


def test_a_microphone_is_chosen_remembered_and_heard(
    qtbot: QtBot, camera_window: MainWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window = camera_window
    window.start_stop.open()
    dialog = the_dialog()
    assert dialog.microphone.currentText() == "No sound"
    dialog.show_microphones(["default", "Desk", "Headset"], "")  # ALSA has one of that name
    assert [dialog.microphone.itemText(i) for i in range(4)] == ["No sound", "Default microphone", "Desk", "Headset"]
    dialog.microphone.activated.emit(2)
    assert window.preferences.microphone == "Desk"
    assert "with sound" in window.record_bar.timer.toolTip()
    dialog.show_microphones(["Headset"], "Desk")
    assert dialog.microphone.currentText() == "Desk", "what was chosen stays, also while it is not plugged in"
    dialog.close()
    window.preferences.save()
    assert make_preferences().microphone == "Desk"
    window.start_stop.choose_microphone("synthetic")
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)

    def is_heard() -> bool:
        now = recording(window)
        return now is not None and now.sound is not None and now.sound.seconds > 0.3

    qtbot.waitUntil(is_heard, timeout=WAIT_MS)
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.saved.isVisible(), timeout=WAIT_MS)
    done = recording(window)
    assert done is not None
    with av.open(str(done.folder / "annotated.mkv")) as container:
        assert container.streams.audio
    assert tones(window) == []


def test_a_microphone_that_cannot_be_used_is_one_line(
    qtbot: QtBot, camera_window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = camera_window
    busy = SyntheticMicrophone(error="Desk: cannot be opened. Close the other program that uses it.")
    monkeypatch.setattr(recording_actions, "parse_microphone", lambda _name: busy)
    window.start_stop.choose_microphone("Desk")
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.banner.text.startswith("Desk: cannot be opened"), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: has_a_frame(window), timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.saved.isVisible(), timeout=WAIT_MS)


# -- from the command line -----------------------------------------------------------------------------------------


def test_the_options_of_the_command_line_fill_in_the_window(window: MainWindow) -> None:
    window.start_stop.choose(StartStop(stop_empty_s=9))
    chosen = Opening(engines_dir=Path(), clean_video=True, typed_name="Squats left #knee", start_stop={"countdown_s": 3.0})
    set_up_recordings(window, chosen)
    assert window.record_bar.clean.isChecked()
    assert window.record_bar.name.text() == "Squats left #knee"
    assert window.preferences.start_stop == StartStop(countdown_s=3, stop_empty_s=9)


# -- words and tones -----------------------------------------------------------------------------------------------


def test_words() -> None:
    assert [duration(s) for s in (2, 45, 60, 90, 3600)] == ["2 s", "45 s", "1 min", "1 min 30 s", "60 min"]
    assert summary(StartStop()) == ""
    assert summary(StartStop(countdown_s=3, hand="start")) == "countdown 3 s, a raised hand starts"


def test_tones_have_their_pitch_and_do_not_click() -> None:
    import io
    import wave

    import numpy as np

    for tone, pieces in TONES.items():
        with wave.open(io.BytesIO(wav(tone))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32767
            assert file.getframerate() == RATE
        assert len(samples) == pytest.approx(sum(s for _, s in pieces) * RATE, abs=3)
        assert np.abs(samples).max() == pytest.approx(LOUDNESS, abs=0.01)
        assert np.abs(np.diff(samples)).max() < 0.1
        hz, seconds = pieces[0]
        first = samples[: round(seconds * RATE)]
        assert np.abs(np.fft.rfft(first)).argmax() / seconds == pytest.approx(hz, abs=10)


def test_the_first_player_that_is_there_plays() -> None:
    assert player(lambda name: f"/bin/{name}" if name in PLAYERS[1:] else None) == f"/bin/{PLAYERS[1]}"
    assert player(lambda _name: None) == ""
