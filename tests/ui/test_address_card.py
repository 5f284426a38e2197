"""The card for a network address: a phone by its app, and no password anywhere but in the address itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from poseapp.core.addresses import address_name, holds_secrets
from poseapp.core.errors import SourceError
from poseapp.live.sources import StreamSource, parse_source
from poseapp.live.sources.phones import PHONES, PhoneApp, phone_address
from poseapp.ui import dialogs
from poseapp.ui.address_card import AddressCard
from poseapp.ui.main_window import MainWindow

DROID = next(app for app in PHONES if app.name == "DroidCam")
LITE = next(app for app in PHONES if app.name == "IP Camera Lite, H.264")


@pytest.fixture
def card(qtbot: QtBot) -> AddressCard:
    card = AddressCard()
    qtbot.addWidget(card)
    card.show()
    return card


@pytest.mark.parametrize("app", PHONES, ids=lambda app: app.name)
def test_the_address_of_each_app_is_a_stream_whose_name_says_where(app: PhoneApp) -> None:
    source = parse_source(phone_address(app, " 192.168.1.20 "))
    assert isinstance(source, StreamSource)
    assert source.url == f"{app.scheme}://192.168.1.20:{app.port}{app.path}"
    assert address_name(source.url).startswith(f"{app.scheme}://192.168.1.20:{app.port}")


def test_a_password_of_any_letters_is_in_the_address_and_not_in_its_name() -> None:
    url = phone_address(LITE, "10.0.0.7", user="admin", password="p@ss/w:rd#1")
    assert url == "rtsp://admin:p%40ss%2Fw%3Ard%231@10.0.0.7:8554/live"
    assert address_name(url) == "rtsp://10.0.0.7:8554/live"
    assert holds_secrets(url)


@pytest.mark.parametrize("host", ["", "http://10.0.0.7", "10.0.0.7/x", "a b", "x@y", "10.0.0.7:80", "-"])
def test_what_is_no_number_of_a_phone_is_said(host: str) -> None:
    with pytest.raises(SourceError, match=r"DroidCam: expected the number that the app shows"):
        phone_address(DROID, host)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_one(port: int) -> None:
    with pytest.raises(SourceError, match="expected a port from 1 to 65535"):
        phone_address(DROID, "10.0.0.7", port)


def test_control_characters_are_refused() -> None:
    with pytest.raises(SourceError, match="control characters"):
        phone_address(DROID, "10.0.0.7", user="a\nb")


def test_a_phone_needs_only_its_number(card: AddressCard) -> None:
    card.choose(DROID)
    assert card.host.isVisible()
    assert not card.plain.isVisible()
    assert "leave the app open" in card.steps.text()
    assert not card.show_button.isEnabled()
    QTest.keyClicks(card.host, "192.168.1.20")
    assert card.note.text() == "Shows http://192.168.1.20:4747/video"
    QTest.keyClick(card.host, Qt.Key.Key_Return)
    assert card.result() == AddressCard.DialogCode.Accepted
    assert card.address == "http://192.168.1.20:4747/video"


def test_the_password_is_on_the_screen_nowhere(card: AddressCard) -> None:
    card.choose(LITE)
    QTest.keyClicks(card.host, "10.0.0.7")
    QTest.keyClicks(card.user, "admin")
    QTest.keyClicks(card.password, "hunter2")
    assert card.password.echoMode() == QLineEdit.EchoMode.Password
    assert not [one for one in card.findChildren(QLabel) if "hunter2" in one.text()]
    QTest.mouseClick(card.show_button, Qt.MouseButton.LeftButton)
    assert card.address == "rtsp://admin:hunter2@10.0.0.7:8554/live"


def test_another_app_brings_its_own_port(card: AddressCard) -> None:
    card.choose(DROID)
    card.choose(LITE)
    assert (card.port.value(), card.path.text()) == (8554, "/live")


def test_an_address_that_is_known_is_typed_as_it_is(card: AddressCard) -> None:
    QTest.keyClicks(card.plain, " rtsp://camera.local/stream ")
    QTest.mouseClick(card.show_button, Qt.MouseButton.LeftButton)
    assert card.address == "rtsp://camera.local/stream"


def test_what_the_card_gives_is_the_choice_with_a_name_without_secrets(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window()
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)

    def fill(card: AddressCard) -> int:
        card.choose(LITE)
        card.host.setText("10.0.0.7")
        card.user.setText("admin")
        card.password.setText("hunter2")
        card.show_button.click()
        return card.result()

    monkeypatch.setattr(AddressCard, "exec", fill)
    choice = dialogs.ask_source(window, "address", "")
    assert choice is not None
    assert (choice.kind, choice.label) == ("address", "rtsp://10.0.0.7:8554/live")
    assert choice.value == "rtsp://admin:hunter2@10.0.0.7:8554/live"
    monkeypatch.setattr(AddressCard, "exec", lambda _card: 0)
    assert dialogs.ask_source(window, "address", "") is None
