"""Angles in the sidebar and on the body, and repetitions that are counted live."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from on_screen import WAIT_MS, wait_for_person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from poseapp.core.angles import ANGLES, angles_of, measure
from poseapp.core.repetitions import EXERCISES, Exercise
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, PoseMode, Poses, Result
from poseapp.live.repetition_count import RepetitionCount
from poseapp.render import DrawOptions
from poseapp.render.poses import DEFAULT_ANGLES
from poseapp.ui.angle_list import rows
from poseapp.ui.main_window import MainWindow
from poseapp.ui.measure_controls import VIEW, MeasureControls
from poseapp.ui.preferences import Preferences
from poseapp.ui.widgets import action_toggle


def squat(degrees: float, t: float, identity: int = 1, mode: PoseMode = "one", score: float = 0.9) -> Result:
    """Somebody seen from the side whose knees have a flexion of *degrees*."""
    xy = np.full((1, 17, 2), np.nan, np.float32)
    knee, turn = 300 + 300j, np.exp(1j * np.radians(degrees))
    for side in ("left", "right"):
        for part, z in (("hip", knee - 100j * turn), ("knee", knee), ("ankle", knee + 100j)):
            xy[0, COCO_17.index(f"{side}_{part}")] = z.real, z.imag
    poses = Poses(
        xy=xy, score=np.full((1, 17), score, np.float32), person_score=np.ones(1, np.float32), ids=np.array([identity]),
        skeleton=COCO_17,
    )  # fmt: skip
    return Result(frame=Frame(np.zeros((8, 8, 3), np.uint8), 0, t), poses=poses, mode=mode)


def play(take: Callable[[Result], None], squats: int, start: float = 0.0, **about: object) -> float:
    """Hand *squats* squats of two seconds to *take*; returns when they end."""
    times = np.arange(0, 2 * squats + 0.5, 0.05)
    for t in times:
        take(squat(float(45 - 45 * np.cos(np.pi * min(t, 2 * squats))), start + float(t), **about))  # type: ignore[arg-type]
    return start + float(times[-1]) + 0.05


def draws(window: MainWindow) -> bool:
    """Whether angles are drawn on the body."""
    return window.view.options.angles


def chosen(count: RepetitionCount) -> Exercise | None:
    """What is counted."""
    return count.exercise


@pytest.fixture
def controls(qtbot: QtBot) -> MeasureControls:
    made = MeasureControls(action_toggle("angles"))
    qtbot.addWidget(made)
    return made


def test_the_sidebar_shows_the_angles_of_the_person(qtbot: QtBot, window: MainWindow) -> None:
    result = wait_for_person(qtbot, window)
    window.menus.actions["pause"].setChecked(True)
    window.sidebar.show_result(result)
    shown = window.sidebar.measure.angles.values
    assert shown is not None
    pose = result.shown
    expected = measure(pose.xy[0], pose.score[0], pose.skeleton, window.sidebar.view.options.threshold)
    np.testing.assert_array_equal([shown[angle.name] for angle in angles_of(pose.skeleton)], expected)
    assert not np.isnan(shown["left_knee"])
    assert window.sidebar.measure.angles.isVisibleTo(window)
    assert not window.sidebar.measure.joints.isVisibleTo(window)


def test_confidence_is_one_click_away_and_remembered(window: MainWindow, make_preferences: Callable[[], Preferences]) -> None:
    measure_controls = window.sidebar.measure
    measure_controls.show_confidence.click()
    assert measure_controls.joints.isVisibleTo(window)
    assert not measure_controls.angles.isVisibleTo(window)
    window.preferences.save()
    assert make_preferences().shows_confidence
    measure_controls.show_angles.click()
    assert measure_controls.angles.isVisibleTo(window)
    window.preferences.save()
    assert not make_preferences().shows_confidence


def test_it_says_that_angles_are_in_the_picture(window: MainWindow) -> None:
    said = [label for label in window.sidebar.findChildren(QLabel) if label.text() == VIEW]
    assert len(said) == 1
    assert said[0].isVisibleTo(window)
    assert VIEW == "2D, from this camera’s view"


def test_key_button_and_menu_draw_angles_on_the_body(
    qtbot: QtBot, window: MainWindow, make_preferences: Callable[[], Preferences]
) -> None:
    wait_for_person(qtbot, window)
    assert not draws(window)
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_D)
    assert draws(window)
    assert window.sidebar.view.angles.isChecked()
    window.sidebar.view.angles.click()
    assert not draws(window)
    assert not window.menus.actions["angles"].isChecked()
    choices = window.sidebar.measure._choices
    assert {name for name, choice in choices.items() if choice.isChecked()} == set(DEFAULT_ANGLES)
    choices["trunk"].trigger()  # who chooses an angle wants to see it
    assert draws(window)
    assert set(window.view.options.angle_names) == {*DEFAULT_ANGLES, "trunk"}
    window.preferences.save()
    assert make_preferences().draw == window.view.options
    for name in (*DEFAULT_ANGLES, "trunk"):
        choices[name].trigger()
    assert window.view.options.angle_names == ()
    window.preferences.save()
    assert make_preferences().draw.angle_names == ()


def test_repetitions_are_counted_beside_and_on_the_picture(
    window: MainWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window.menus.actions["pause"].setChecked(True)
    controls, view = window.sidebar.measure, window.view
    assert view._count == ""
    row = controls.exercise.findText("Squat")
    controls.exercise.setCurrentIndex(row)
    controls.exercise.activated.emit(row)
    assert (controls.count.text(), view._count) == ("0", "0")
    end = play(window.sidebar.show_result, 3, 100.0)
    assert (controls.count.text(), view._count) == ("3", "3")
    assert re.fullmatch(r"down 0\.[67] s · up 0\.[67] s · to (89|90)°", view._tempo)
    controls.again.click()
    assert (controls.count.text(), view._count, view._tempo) == ("0", "0", "")
    play(window.sidebar.show_result, 2, end)
    assert view._count == "2"
    window.preferences.save()
    assert make_preferences().exercise == "Squat"
    controls.exercise.setCurrentIndex(0)
    controls.exercise.activated.emit(0)
    assert view._count == ""
    window.preferences.save()
    assert make_preferences().exercise == ""


def test_each_person_has_a_count(controls: MeasureControls) -> None:
    count = RepetitionCount()
    count.choose(EXERCISES[0])
    end = play(lambda result: count.update(result, 0, 0.3), 2, identity=4, mode="top-down")
    assert count.count == 2
    play(lambda result: count.update(result, 0, 0.3), 1, end, identity=5, mode="top-down")
    assert count.count == 1
    count.update(squat(0, end + 9, identity=4, mode="top-down"), 0, 0.3)
    assert count.count == 2
    count.choose(EXERCISES[0])
    end = play(lambda result: count.update(result, 0, 0.3), 2, identity=1)  # one person, lost and found again
    play(lambda result: count.update(result, 0, 0.3), 2, end, identity=2)
    assert count.count == 4
    count.update(squat(0, end + 20, score=0.1), None, 0.3)
    assert count.count == 4


def test_what_was_chosen_comes_back_and_nonsense_does_not(
    controls: MeasureControls, make_preferences: Callable[[], Preferences]
) -> None:
    controls.restore("Curl", confidence=True)
    assert controls.exercise.currentText() == "Curl"
    assert chosen(controls.repetitions) is EXERCISES[2]
    assert controls.show_confidence.isChecked()
    controls.restore("", confidence=False)
    assert controls.exercise.currentText() == "No exercise"
    assert chosen(controls.repetitions) is None
    preferences = make_preferences()
    preferences._set("measure/exercise", "Juggling")
    preferences._set("view/angle_names", "left_knee nonsense")
    assert preferences.exercise == ""
    assert preferences.draw.angle_names == ("left_knee",)


def test_tooltip_and_description_tell_both_sides(controls: MeasureControls) -> None:
    knee = next(i for i, (name, *_) in enumerate(rows(COCO_17)) if name == "Knee")
    assert controls.angles.line_text(knee) == ""
    controls.show_result(squat(40, 0.0))
    assert controls.angles.line_text(knee) == (
        "Left knee: 40° (confidence 90)\nRight knee: 40° (confidence 90)\nLeft minus right: 0°"
    )
    elbow = next(i for i, (name, *_) in enumerate(rows(COCO_17)) if name == "Elbow")
    assert controls.angles.line_text(elbow).startswith("Left elbow: –")
    controls.describe_values()
    assert "left knee 40 degrees" in controls.angles.accessibleDescription()
    assert "elbow" not in controls.angles.accessibleDescription()
    controls.set_options(DrawOptions(threshold=0.95))
    controls.show_result(squat(40, 0.1))
    assert controls.angles.line_text(knee).startswith("Left knee: –")


def test_every_angle_of_the_menu_has_a_name(controls: MeasureControls) -> None:
    texts = [choice.text() for choice in controls._choices.values()]
    assert len(set(texts)) == len(texts)
    assert {"Left knee", "Right shoulder", "Trunk lean", "Neck"} <= set(texts)
    assert set(controls._choices) <= {angle.name for angle in ANGLES}


def test_an_exercise_of_the_users_own(controls: MeasureControls) -> None:
    row = controls.exercise.findText("My own exercise")
    controls.exercise.setCurrentIndex(row)
    controls.exercise.activated.emit(row)
    own = controls.own
    assert own.isVisibleTo(controls)
    assert controls._of_count.isHidden(), "nothing is counted before both marks are there"
    own.buttons["start"].click()
    assert "not seen" in own.hint.text()
    controls.show_result(squat(10, 0.0))
    own.buttons["start"].click()
    assert own.buttons["start"].text() == "Start 10°"
    controls.show_result(squat(15, 0.1))
    own.buttons["turn"].click()
    assert "at least 10° apart" in own.hint.text()
    assert chosen(controls.repetitions) is None
    controls.show_result(squat(88, 0.2))
    own.buttons["turn"].click()
    made = chosen(controls.repetitions)
    assert made is not None
    assert made.angles == ("left_knee",)
    assert (made.rest_deg, made.turn_deg) == pytest.approx((36, 62), abs=0.01)
    play(controls.show_result, 2, 10.0)
    assert controls.count.text() == "2"
    own.angle.setCurrentIndex(own.angle.findData("right_knee"))
    own.angle.activated.emit(own.angle.currentIndex())
    assert own.buttons["start"].text() == "Mark start"
    assert chosen(controls.repetitions) is None, "the marks are of another angle"
    controls.exercise.setCurrentIndex(0)
    controls.exercise.activated.emit(0)
    assert own.isHidden()
    assert chosen(controls.repetitions) is None


def test_an_exercise_of_the_users_own_is_there_next_time_until_it_is_forgotten(
    qtbot: QtBot, window: MainWindow, make_preferences: Callable[[], Preferences]
) -> None:
    controls = window.sidebar.measure
    row = controls.exercise.findText("My own exercise")
    controls.exercise.setCurrentIndex(row)
    controls.exercise.activated.emit(row)
    own = controls.own
    assert own._of_name.isHidden()
    window.controller.suspend(lambda: None)  # no further result changes the values
    own.show_values({"left_knee": 10.0})
    own.buttons["start"].click()
    own.show_values({"left_knee": 100.0})
    own.buttons["turn"].click()
    assert not own._of_name.isHidden()
    own.name.setText("Squat")
    own.keep.click()
    assert "Type another one" in own.hint.text()
    own.name.setText("  Deep   lunge ")
    own.keep.click()
    assert controls.exercise.currentText() == "Deep lunge"
    made = chosen(controls.repetitions)
    assert made is not None
    assert (made.name, made.angles) == ("Deep lunge", ("left_knee",))
    qtbot.waitUntil(lambda: make_preferences().own_exercises.all() == (made,), timeout=WAIT_MS)
    window.preferences.save()
    again = make_preferences()
    assert again.exercise == "Deep lunge"
    second = MeasureControls(QPushButton())
    qtbot.addWidget(second)
    second.set_own_exercises(again.own_exercises.all())
    second.restore(again.exercise, confidence=False)
    assert chosen(second.repetitions) == made
    assert not second.forget.isHidden()
    controls.forget.click()
    assert controls.exercise.currentText() == "No exercise"
    assert controls.exercise.findText("Deep lunge") < 0
    assert controls.forget.isHidden()
    qtbot.waitUntil(lambda: make_preferences().own_exercises.all() == (), timeout=WAIT_MS)
