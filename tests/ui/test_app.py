"""Starting and ending the window."""

from __future__ import annotations

import signal

from on_screen import WAIT_MS
from pytestqt.qtbot import QtBot

from poseapp.ui.app import close_on_signals
from poseapp.ui.main_window import MainWindow


def test_a_signal_closes_the_window_whatever_it_interrupts(qtbot: QtBot, window: MainWindow) -> None:
    session = window.bridge.session
    assert session is not None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        close_on_signals(window)
        with qtbot.waitSignal(window.closed, timeout=WAIT_MS), session.stats._lock:
            signal.raise_signal(signal.SIGTERM)  # closing asks for the status, which takes this lock
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert window.is_closed
