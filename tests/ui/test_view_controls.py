"""What is drawn changes the picture, and never the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from on_screen import wait_for_person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.core.types import ImageArray
from poseapp.ui.main_window import MainWindow


def test_threshold_hides_joints_in_the_picture_and_leaves_the_result_alone(qtbot: QtBot, window: MainWindow) -> None:
    wait_for_person(qtbot, window)
    window.menus.actions["pause"].setChecked(True)
    result = window.view.result
    while result is None or not len(result.poses):  # the very last frame before the pause may have lost the person
        window.menus.actions["pause"].setChecked(False)
        wait_for_person(qtbot, window)
        window.menus.actions["pause"].setChecked(True)
        result = window.view.result
    scores = np.full_like(result.poses.score, 0.6)  # a sure model's may all be 1, which no threshold hides
    result = replace(result, poses=replace(result.poses, score=scores.copy()), smoothed=None)
    window.view.show_result(result)
    pictures: dict[int, ImageArray] = {}
    for value in (1, 100):
        window.sidebar.view.threshold.setValue(value)
        picture = window.view.picture()
        assert picture is not None
        pictures[value] = picture.copy()
    assert window.sidebar.view.value.text() == "1.00"
    drawn = np.abs(pictures[1].astype(int) - pictures[100]).max(axis=2) > 30
    assert drawn.sum() > 100, "joints that the lowest threshold shows must be gone at the highest"
    assert window.view.result is result
    np.testing.assert_array_equal(result.poses.score, scores)
    assert window.preferences.draw.threshold == 1.0


def test_mirror_flips_the_preview_and_not_the_data(window: MainWindow) -> None:
    window.menus.actions["pause"].setChecked(True)
    window.sidebar.view.threshold.setValue(100)
    result, before = window.view.result, window.view.picture()
    assert result is not None
    assert before is not None
    before, frame, xy = before.copy(), result.frame.image.copy(), result.poses.xy.copy()
    window.sidebar.view.mirror.click()
    after = window.view.picture()
    assert after is not None
    # Scaling samples at places that mirror each other up to a part of a pixel.
    assert np.abs(after.astype(int) - before[:, ::-1]).mean() < 2
    assert np.abs(after.astype(int) - before).mean() > 10
    assert window.view.result is result
    np.testing.assert_array_equal(result.frame.image, frame)
    np.testing.assert_array_equal(result.poses.xy, xy)


def test_heatmaps_and_labels_are_drawn(qtbot: QtBot, window: MainWindow) -> None:
    def changed_by(key: Qt.Key) -> int:
        """How many pixels of a picture that stands still *key* changes; a second one takes that back."""
        pictures = []
        for _ in range(2):
            QTest.keyClick(window.view, key)
            picture = window.view.picture()
            assert picture is not None
            pictures.append(picture.astype(int))
        return int((np.abs(pictures[1] - pictures[0]).max(axis=2) > 8).sum())

    result = wait_for_person(qtbot, window)
    assert not result.heatmaps, "they cost time, so they come when they are asked for"
    QTest.keyClick(window.view, Qt.Key.Key_H)
    assert window.sidebar.view.heatmaps.isChecked()
    while not result.heatmaps:
        result = wait_for_person(qtbot, window, result)
    window.menus.actions["pause"].setChecked(True)
    # Sure of everything, so that every joint there is has its name.
    sure = replace(result.poses, score=np.ones_like(result.poses.score))
    window.view.show_result(replace(result, poses=sure, smoothed=None))
    assert changed_by(Qt.Key.Key_H) > 1000
    assert changed_by(Qt.Key.Key_N) > 200
    QTest.keyClick(window.view, Qt.Key.Key_N)
    assert window.view.options.heatmaps
    assert window.view.options.labels
    assert window.menus.actions["labels"].isChecked()


def test_what_a_model_does_not_have_cannot_be_switched_on(window: MainWindow) -> None:
    now = window.bridge.status()
    assert now is not None
    assert now.spec is not None
    view = window.sidebar.view
    one_stage = replace(now.spec, family="rtmo", decode="network")
    with_fields = replace(now.spec, family="openpose")
    for spec, mode, heatmaps, fields in (
        (now.spec, "one", True, False), (with_fields, "bottom-up", True, True), (with_fields, "one", True, False),
        (one_stage, "bottom-up", False, False), (None, "bottom-up", True, True),
    ):  # fmt: skip
        view.show_status(replace(now, spec=spec, mode=cast(Any, mode)))
        assert (view.heatmaps.isEnabled(), view.fields.isEnabled()) == (heatmaps, fields)
        assert ("without heatmaps" in view.heatmaps.toolTip()) != heatmaps
