"""Each state of a control looks different from every other one, in both themes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QHoverEvent, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QPushButton, QSlider, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from poseapp.core.types import ImageArray
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.fold import Fold
from poseapp.ui.record_bar import RecordBar
from poseapp.ui.switch import Switch
from poseapp.ui.theme import Themes
from poseapp.ui.widgets import icon_button, paint_icon, toggle

LEAST = 12  # px that differ, in a picture of a control


def button(role: str = "") -> Callable[[Themes], QWidget]:
    def make(_themes: Themes) -> QWidget:
        made = QPushButton("Again")
        if role:
            made.setProperty("role", role)
        return made

    return make


def icon(checkable: bool) -> Callable[[Themes], QWidget]:
    def make(themes: Themes) -> QWidget:
        made = icon_button("sidebar", "Sidebar (C)", checkable)
        paint_icon(made, "sidebar", themes.current.text)
        return made

    return make


def switch(themes: Themes) -> QWidget:
    made = Switch("Smoothing")
    made.set_theme(themes.current)
    return made


def combo(_themes: Themes) -> QWidget:
    made = ComboBox(whole=True)
    made.addItems(["Fast", "Balanced"])
    return made


def slider(_themes: Themes) -> QWidget:
    made = QSlider(Qt.Orientation.Horizontal)
    made.setValue(40)
    return made


def record(themes: Themes) -> QWidget:
    bar = RecordBar()
    bar.set_theme(themes.current)
    bar.record.setParent(None)
    return bar.record


def fold(themes: Themes) -> QWidget:
    made = Fold("ADVANCED", "Advanced", "")
    made.set_theme(themes.current)
    return made


KINDS: dict[str, Callable[[Themes], QWidget]] = {
    "button": button(),
    "primary": button("primary"),
    "flat": button("flat"),
    "record": record,
    "fold": fold,
    "toggle": lambda _themes: toggle("Mirror", ""),
    "icon": icon(False),
    "icon toggle": icon(True),
    "switch": switch,
    "combo": combo,
    "slider": slider,
}


@pytest.fixture(params=["dark", "light"])
def theme(request: pytest.FixtureRequest, themes: Themes) -> Iterator[Themes]:
    themes.use(request.param)
    yield themes
    themes.use("dark")


def picture(widget: QWidget) -> ImageArray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return pixels[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def differing(a: ImageArray, b: ImageArray) -> int:
    assert a.shape == b.shape, "a state must not change the size"
    return int((np.abs(a.astype(int) - b).max(axis=2) > 12).sum())


def point(widget: QWidget) -> QPointF:
    """Where the mouse is: on the handle of a slider."""
    return QPointF(widget.width() * 0.4 + 2, widget.height() / 2)


def press(widget: QWidget, down: bool) -> None:
    kind = QEvent.Type.MouseButtonPress if down else QEvent.Type.MouseButtonRelease
    held = Qt.MouseButton.LeftButton if down else Qt.MouseButton.NoButton
    at, none = point(widget), Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QMouseEvent(kind, at, widget.mapToGlobal(at), Qt.MouseButton.LeftButton, held, none))


def hover(widget: QWidget, over: bool) -> None:
    widget.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, over)
    at, none = point(widget) if over else QPointF(-1, -1), Qt.KeyboardModifier.NoModifier
    kind = QEvent.Type.HoverMove if over else QEvent.Type.HoverLeave
    QApplication.sendEvent(widget, QHoverEvent(kind, at, widget.mapToGlobal(at), QPointF(-1, -1)))
    if over:
        move, button_ = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
        QApplication.sendEvent(widget, QMouseEvent(move, at, widget.mapToGlobal(at), button_, button_, none))


def states(widget: QWidget, other: QWidget) -> dict[str, ImageArray]:
    """A picture of each state; *other* takes the focus meanwhile."""
    checkable = getattr(widget, "isCheckable", bool)()
    shots: dict[str, ImageArray] = {}
    for checked in (False, True) if checkable else (False,):
        if checkable:
            widget.setChecked(checked)  # type: ignore[attr-defined]
            if isinstance(widget, Switch):
                widget.set_on(checked)
        name = "checked" if checked else "normal"
        other.setFocus()
        shots[name] = picture(widget)
        hover(widget, True)
        shots[f"{name}, hover"] = picture(widget)
        if not isinstance(widget, ComboBox):  # pressed, it opens its list
            press(widget, True)
            other.setFocus()
            shots[f"{name}, pressed"] = picture(widget)
            blocked = widget.blockSignals(True)
            press(widget, False)
            widget.blockSignals(blocked)
            if checkable:
                widget.setChecked(checked)  # type: ignore[attr-defined]
            if isinstance(widget, Switch):
                widget.set_on(checked)
        hover(widget, False)
        widget.setFocus()
        shots[f"{name}, focus"] = picture(widget)
        other.setFocus()
        widget.setEnabled(False)
        shots[f"{name}, disabled"] = picture(widget)
        widget.setEnabled(True)
    return shots


@pytest.mark.parametrize("kind", list(KINDS))
def test_states_of_a_control_differ(qtbot: QtBot, theme: Themes, kind: str) -> None:
    window, other = QWidget(), QPushButton("other")
    window.setObjectName("sidebar")
    window.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    made = KINDS[kind](theme)
    layout = QVBoxLayout(window)
    layout.addWidget(made)
    widget: QWidget = made.button if isinstance(made, Fold) else made
    layout.addWidget(other)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    shots = states(widget, other)
    assert len(shots) >= 4
    same = [(a, b) for (a, one), (b, two) in itertools.combinations(shots.items(), 2) if differing(one, two) < LEAST]
    assert not same


def test_rows_of_a_list_show_which_is_chosen_and_which_is_marked(qtbot: QtBot, theme: Themes) -> None:
    box = ComboBox(whole=True)
    box.addItems(["Fast", "Fast", "Fast"])
    box.setCurrentIndex(1)
    box.model().item(2).setEnabled(False)  # type: ignore[attr-defined]
    qtbot.addWidget(box)
    with qtbot.waitExposed(box):
        box.show()
    box.showPopup()
    view = box.view()
    rows: dict[str, ImageArray] = {}
    for name, selected in (("selected", 0), ("chosen and selected", 1)):
        view.setCurrentIndex(box.model().index(selected, 0))
        whole = picture(view.viewport())
        for row in range(3):
            rect = view.visualRect(box.model().index(row, 0))
            rows[f"{name}: row {row}"] = whole[rect.top() : rect.bottom(), rect.left() : rect.right()]
    box.hidePopup()
    marked, chosen, disabled = rows["selected: row 0"], rows["selected: row 1"], rows["selected: row 2"]
    plain, both = rows["chosen and selected: row 0"], rows["chosen and selected: row 1"]
    same = [
        (i, j) for (i, a), (j, b) in itertools.combinations(enumerate((marked, chosen, disabled, plain, both)), 2)
        if differing(a, b) < LEAST
    ]  # fmt: skip
    assert not same
