"""The window for those who use keys or hear it: order, names, groups, and keys that do what one expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import SPEC, Loader, MarkerSource
from fitting import controls, cut_texts
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QScrollBar, QWidget
from pytestqt.qtbot import QtBot

from poseapp.engine.store import StoredModel
from poseapp.ui.main_window import MainWindow
from poseapp.ui.message_card import Message

WAIT_MS = 30_000


@pytest.fixture
def window(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> MainWindow:
    """A window on a source that always runs, with everything open."""
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.message is None, timeout=WAIT_MS)
    window.sidebar.advanced.set_open(True)
    return window


def in_tab_order(window: MainWindow) -> list[QWidget]:
    """What Tab goes through, from the first control of the header on."""
    first: QWidget = next(iter(window.header.buttons.values()))
    chain, widget = [first], first.nextInFocusChain()
    while widget is not None and widget is not first:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    focusable = Qt.FocusPolicy.TabFocus
    return [w for w in chain if w.focusPolicy() & focusable and w.isVisibleTo(window) and w.isEnabled() and w.window() is window]


def test_tab_goes_as_one_reads(window: MainWindow) -> None:
    regions = [window.header, window.view, window.record_bar, window.sidebar]

    def place(widget: QWidget) -> tuple[int, int, int]:
        region = next(i for i, r in enumerate(regions) if widget is r or r.isAncestorOf(widget))
        at = widget.mapTo(window, QPoint(0, widget.height() // 2))
        return region, at.y() // 16, at.x()

    order = [w for w in in_tab_order(window) if not isinstance(w, QScrollBar)]
    places = [place(w) for w in order]
    assert len(order) > 15
    assert places == sorted(places), [w.accessibleName() for w in order]


def test_every_control_has_a_name_and_says_what_it_does(window: MainWindow) -> None:
    window.panel.setVisible(True)
    names: dict[str, list[QWidget]] = {}
    for widget in controls(window):
        heard = QAccessible.queryAccessibleInterface(widget)
        name = heard.text(QAccessible.Text.Name)
        assert name, widget
        names.setdefault(name, []).append(widget)
        described = heard.text(QAccessible.Text.Description) or widget.toolTip()  # a tab bar tells only the latter
        assert described, f"{name} does not say what it does"
    assert {name: found for name, found in names.items() if len(found) > 1} == {}


def test_how_many_people_is_a_group_of_radio_buttons(qtbot: QtBot, window: MainWindow) -> None:
    people = window.sidebar.pose
    for button in (people.one, people.several):
        assert QAccessible.queryAccessibleInterface(button).role() == QAccessible.Role.RadioButton
    around = people.one.parentWidget()
    assert around is not None
    group = QAccessible.queryAccessibleInterface(around)
    assert group.role() == QAccessible.Role.Grouping
    assert group.text(QAccessible.Text.Name) == "People"
    assert people.one.isChecked()
    people.one.setFocus()
    QTest.keyClick(people.one, Qt.Key.Key_Right)
    assert people.several.isChecked()
    assert not people.one.isChecked()
    assert window.controller.pose_settings.mode == "top-down"


def test_words_are_for_users_and_engineers_words_are_under_advanced(window: MainWindow) -> None:
    window.sidebar.advanced.set_open(False)
    shown = controls(window.sidebar)
    hidden = [
        *(box for _, box in (*window.sidebar.model.advanced, *window.sidebar.pose.advanced)),
        window.sidebar.view.fields,
        window.sidebar.benchmark,
    ]
    assert len(hidden) == 6
    assert not set(hidden) & set(shown)
    window.sidebar.advanced.set_open(True)
    assert set(hidden) <= set(controls(window.sidebar))


def test_models_that_ship_are_fast_balanced_accurate_and_for_many_people(window: MainWindow) -> None:
    assert window.controller.folder is not None
    store = window.controller.folder.parent
    names = ["hourglass-l", "hourglass-s", "mine", "openpose-s", "hrnet-s", "hourglass-t"]
    window.controller.models_changed.emit([StoredModel(name, store / name, replace(SPEC, name=name)) for name in names])
    box = window.sidebar.model.box
    assert [box.itemText(row) for row in range(6)] == ["Fast", "Balanced", "Accurate", "HRNet", "Many people", "mine"]
    assert [box.itemText(row) for row in range(6, box.count())] == ["", "Get more models…"], "after a line"
    heard = [box.itemData(row, Qt.ItemDataRole.AccessibleTextRole) for row in range(6)]
    ours = {
        "Fast": "hourglass-t",
        "Balanced": "hourglass-s",
        "Accurate": "hourglass-l",
        "HRNet": "hrnet-s",
        "Many people": "openpose-s",
    }
    assert heard == [*(f"{title}, {name}" for title, name in ours.items()), None]
    texts = [action.text() for action in window.menus.by_title["Model"].actions()][:6]
    assert texts == [*(f"{title} ({name})" for title, name in ours.items()), "mine"]


# -- keys ------------------------------------------------------------------------------------------------------


def test_c_and_b_call_controls_and_panel_into_full_screen_and_what_was_before_comes_back(window: MainWindow) -> None:
    QTest.keyClick(window.view, Qt.Key.Key_F)
    assert window.isFullScreen()
    assert not window.sidebar_dock.isVisible()
    for key, part in ((Qt.Key.Key_C, window.sidebar_dock), (Qt.Key.Key_B, window.panel)):
        QTest.keyClick(window.view, key)
        assert part.isVisible()
        QTest.keyClick(window.view, key)
        assert not part.isVisible()
    QTest.keyClick(window.view, Qt.Key.Key_B)
    QTest.keyClick(window.view, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.sidebar_dock.isVisible()
    assert window.header.buttons["sidebar"].isChecked()
    assert not window.panel.isVisible(), "the panel was closed before full screen"
    assert not window.preferences.panel_open


def test_esc_leaves_full_screen_first_and_lets_go_then(qtbot: QtBot, window: MainWindow) -> None:
    result = window.view.result
    assert result is not None
    qtbot.waitUntil(lambda: window.view.result is not None and len(window.view.result.poses) == 1, timeout=WAIT_MS)
    result = window.view.result
    assert result is not None
    x, y = result.poses.xy[0, 11].tolist()
    window.bridge.lock_person((x, y))
    qtbot.waitUntil(lambda: window.view.locked is not None, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_F)
    QTest.keyClick(window.view, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.view.locked is not None
    QTest.keyClick(window.view, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.view.locked is None, timeout=WAIT_MS)


def test_space_pauses_wherever_the_mouse_has_been(window: MainWindow) -> None:
    window.view.setFocus()
    controls_ = window.sidebar
    for widget in (controls_.view.mirror, controls_.pose.one, controls_.advanced.button, window.record_bar.clean):
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
    QTest.mouseClick(controls_.model.box, Qt.MouseButton.LeftButton)
    QTest.keyClick(controls_.model.box.view(), Qt.Key.Key_Escape)
    focused = window.focusWidget()
    assert focused is window.view, focused
    for paused in (True, False):
        QTest.keyClick(focused, Qt.Key.Key_Space)
        assert window.bridge.paused == paused
    QTest.keyClick(window, Qt.Key.Key_F)
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    assert window.bridge.paused, "in full screen, too"
    window.menus.actions["fullscreen"].setChecked(False)


# -- notices ---------------------------------------------------------------------------------------------------


def test_notices_do_not_move_the_picture(qtbot: QtBot, window: MainWindow) -> None:
    before = window.view.geometry()
    window.banner.say("snapshot", "A line that says what happened. " * 6, "warning", action="Open folder")
    assert window.banner.isVisible()
    assert window.view.geometry() == before
    assert window.view.rect().contains(window.banner.geometry())
    qtbot.waitUntil(lambda: window.banner.rect().contains(window.banner.frame.geometry()), timeout=WAIT_MS)
    assert not cut_texts(window.banner)
    window.build_progress.show()
    assert window.view.geometry() == before
    assert not window.build_progress.geometry().intersects(window.banner.geometry())
    window.banner.dismiss()
    assert window.view.geometry() == before


@pytest.mark.parametrize(
    ("topic", "button"), [("record", "Choose folder…"), ("cameras", "Look again"), ("first model", "Choose another model")]
)
def test_a_problem_comes_with_the_button_that_helps(window: MainWindow, topic: str, button: str) -> None:
    window.controller.problem.emit(topic, "It cannot be done.")
    assert window.banner.text == "It cannot be done."
    assert window.banner.action == button


def test_another_model_is_chosen_in_the_box_that_opens(window: MainWindow) -> None:
    window.menus.actions["sidebar"].setChecked(False)
    window.view.action.emit("model")
    assert window.sidebar_dock.isVisible()
    assert window.sidebar.model.box.view().isVisible()
    window.sidebar.model.box.hidePopup()


def test_the_buttons_of_the_card_come_after_the_picture(qtbot: QtBot, window: MainWindow) -> None:
    state = Message("It cannot be shown", "Nobody knows why.", actions=(("again", "Try again"), ("demo", "Demo clip")))
    window.bridge.status_changed.disconnect()  # or else the next status takes the card away
    window.view.set_message(state)
    order = in_tab_order(window)
    texts = [w.text() for w in order[order.index(window.view) :] if isinstance(w, QPushButton)]
    assert texts[:3] == ["Try again", "Demo clip", "Record"]
    requested: list[str] = []
    window.view.action.disconnect()
    window.view.action.connect(requested.append)
    button = next(w for w in order if isinstance(w, QPushButton) and w.text() == "Demo clip")
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert requested == ["demo"]
    assert not window.bridge.paused
