"""Drop-down boxes: arrows move, Enter or a click decides, Esc goes back, and commands are no choices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import Loader, MarkerSource
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from poseapp.ui.address_card import AddressCard
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.main_window import MainWindow

WAIT_MS = 30_000


@pytest.fixture
def box(qtbot: QtBot) -> ComboBox:
    box = ComboBox()
    box.addItems(["hourglass-l", "hourglass-s", "openpose-s"])
    box.setCurrentIndex(1)
    qtbot.addWidget(box)
    with qtbot.waitExposed(box):
        box.show()
    return box


def decided(box: ComboBox) -> list[str]:
    seen: list[str] = []
    box.activated.connect(lambda row: seen.append(box.itemText(row)))
    return seen


@pytest.mark.parametrize("key", [Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_End, Qt.Key.Key_Space, Qt.Key.Key_F4])
def test_keys_that_would_move_open_the_list_and_decide_nothing(box: ComboBox, key: Qt.Key) -> None:
    seen = decided(box)
    QTest.keyClick(box, key)
    assert box.view().isVisible()
    assert box.currentText() == "hourglass-s"
    QTest.keyClick(box.view(), Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Escape)
    assert not box.view().isVisible()
    assert box.currentText() == "hourglass-s"
    assert seen == []


def test_arrows_move_and_enter_decides(box: ComboBox) -> None:
    seen = decided(box)
    QTest.keyClick(box, Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Down)
    assert seen == []
    QTest.keyClick(box.view(), Qt.Key.Key_Return)
    assert seen == ["openpose-s"]


@pytest.mark.parametrize("letter", ["o", "h", "7"])
def test_letters_choose_nothing(box: ComboBox, letter: str) -> None:
    seen = decided(box)
    QTest.keyClicks(box, letter)
    assert box.currentText() == "hourglass-s"
    QTest.keyClick(box, Qt.Key.Key_Down)
    QTest.keyClicks(box.view(), letter)  # in the list they move
    assert seen == []
    QTest.keyClick(box.view(), Qt.Key.Key_Escape)
    assert box.currentText() == "hourglass-s"


def test_a_click_on_a_row_decides(box: ComboBox) -> None:
    seen = decided(box)
    box.showPopup()
    rect = box.view().visualRect(box.model().index(2, 0))
    QTest.mouseMove(box.view().viewport(), rect.center())
    QTest.mouseClick(box.view().viewport(), Qt.MouseButton.LeftButton, pos=rect.center(), delay=600)
    assert seen == ["openpose-s"]


def test_no_box_of_the_window_does_anything_before_enter(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, name in ((QFileDialog, "getOpenFileName"), (QFileDialog, "getExistingDirectory"), (AddressCard, "exec")):
        monkeypatch.setattr(kind, name, lambda *_: pytest.fail("a dialog was opened"))
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.sidebar.advanced.set_open(True)
    boxes = window.sidebar.findChildren(ComboBox)
    for box in boxes:
        box.setEnabled(True)
    assert len(boxes) == 11
    before = [box.currentIndex() for box in boxes]
    requested = window.bridge.status()
    assert requested is not None
    for box in boxes:
        seen = decided(box)
        for key in (Qt.Key.Key_Down, Qt.Key.Key_PageDown, Qt.Key.Key_O):
            QTest.keyClick(box, key)
            if box.view().isVisible():
                for moved in (Qt.Key.Key_Down, Qt.Key.Key_End, Qt.Key.Key_O, Qt.Key.Key_Up):
                    QTest.keyClick(box.view(), moved)
                QTest.keyClick(box.view(), Qt.Key.Key_Escape)
        assert seen == [], box.accessibleName()
    assert [box.currentIndex() for box in boxes] == before
    now = window.bridge.status()
    assert now is not None
    assert (now.model_request, now.source) == (requested.model_request, requested.source)


def test_what_opens_other_sources_is_a_menu_beside_the_box(qtbot: QtBot, window: MainWindow) -> None:
    source = window.sidebar.source
    assert not any(source.box.itemText(row).endswith("…") for row in range(source.box.count()))
    menu = source.open.menu()
    assert menu is not None
    texts = [action.text() for action in menu.actions()]
    assert texts == [
        "Open video…",
        "Open picture…",
        "Open folder…",
        "Phone or network address…",
        "Open recording…",
        "Look for cameras",
    ]
