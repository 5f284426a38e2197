"""What the window asks for when a source is opened."""

from __future__ import annotations

import pytest

from poseapp.ui import dialogs
from poseapp.ui.main_window import MainWindow
from poseapp.ui.source_choice import SourceChoice


@pytest.mark.parametrize(
    ("address", "offered"),
    [
        ("rtsp//cam/live", "rtsp//cam/live"),  # a slip of the pen, to be mended
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam/hunter2", ""),
        ("rtsp://admin:hunter2@cam/live", ""),
        ("admin:hunter2@cam/live", ""),
    ],
)
def test_an_address_is_offered_again_unless_a_password_may_be_in_it(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, address: str, offered: str
) -> None:
    requested: list[str] = []
    monkeypatch.setattr(dialogs, "ask_source", lambda _parent, _kind, _start, address: requested.append(address))
    window.controller._tried = SourceChoice("address", address, "an address")
    window.source_actions.open("address")
    assert requested == [offered]
