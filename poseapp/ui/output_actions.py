"""What the user, and programs far away, do about outputs: switch them on and off, open the page, begin and finish recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication

from poseapp.core.errors import OutputError
from poseapp.live.outputs import OUTPUTS, OutputAddress, Outputs, RemoteCommand, parse_output
from poseapp.live.outputs.parse import is_loopback
from poseapp.live.outputs.web_access import WebAccess
from poseapp.ui.banner import NOTICE_MS

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

LOOK_MS = 400  # how often lights and rates are shown anew


class RemoteControl(QObject):
    """Takes commands of receivers on any thread to the window's. See Control."""

    asked = Signal(object, object)  # RemoteCommand, Future[str]

    def __call__(self, command: RemoteCommand) -> Future[str]:
        """See Control."""
        done: Future[str] = Future()
        done.set_running_or_notify_cancel()  # who asked may give up; the answer is then for nobody
        self.asked.emit(command, done)
        return done


class OutputActions:
    """Works on the sidebar's outputs of *window*, and owns ``outputs``."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._control = RemoteControl(window)
        self._control.asked.connect(self._obey)
        self.outputs = Outputs(self._control)
        self._given: tuple[str, ...] = ()  # of the command line: on for this time, and not remembered
        self._timer = QTimer(window)
        self._timer.timeout.connect(self._look)
        controls = window.sidebar.outputs
        controls.changed.connect(self._changed)
        controls.page_asked.connect(self.open_page)
        controls.copy_asked.connect(self.copy_address)
        window.sidebar.measure.counting.connect(self.outputs.count)

    def restore(self) -> None:
        """Switch on what was on when the app ran last, but for what lets other machines in: the user asks for that each time."""
        preferences, controls = self._window.preferences, self._window.sidebar.outputs
        controls.restore(preferences.output_addresses, tuple(kind for kind in preferences.outputs_on if self._is_private(kind)))
        self._choose()

    def give(self, addresses: Sequence[OutputAddress]) -> None:
        """Switch on the outputs at *addresses* for this time."""
        if not addresses:
            return
        controls = self._window.sidebar.outputs
        self._given = tuple(address.kind for address in addresses)
        given = {address.kind: str(address) for address in addresses}
        on = (*self._given, *(parse_output(text).kind for text in controls.chosen()))
        controls.restore(controls.addresses() | given, on)
        controls.set_open(True)
        self._choose()

    def use(self, texts: Sequence[str]) -> None:
        """Have the outputs at the addresses *texts* on, and no others, as if the user had chosen them."""
        controls = self._window.sidebar.outputs
        given = {parse_output(text).kind: text for text in texts}
        self._given = ()
        controls.restore(controls.addresses() | given, tuple(given))
        self._changed()

    def show(self) -> None:
        """Show the outputs in the sidebar, and go there."""
        window = self._window
        window.menus.actions["sidebar"].setChecked(True)
        window.sidebar.outputs.set_open(True)
        window.sidebar.outputs.rows[next(iter(OUTPUTS))].switch.setFocus()

    def open_page(self) -> None:
        """Show the page of the WebSocket output in a browser."""
        if not QDesktopServices.openUrl(QUrl(self._page_address())):
            self._window.banner.say("outputs", "No browser could be opened. Copy the address, and open it yourself.", "info")

    def copy_address(self) -> None:
        """Copy the address of the page."""
        QGuiApplication.clipboard().setText(self._page_address())
        self._window.banner.say("outputs", "The address of the page is copied.", "info")
        QTimer.singleShot(NOTICE_MS, self._window.banner, lambda: self._window.banner.take_back("outputs"))

    def stop(self, then: Callable[[], None]) -> None:
        """End all outputs on a thread, then call *then*."""
        self._timer.stop()
        self._window.jobs.run("outputs", self.outputs.close, lambda _none: then(), lambda _error: then())

    # -- inside ------------------------------------------------------------------------------------------------

    def _is_private(self, kind: str) -> bool:
        address = parse_output(self._window.preferences.output_addresses.get(kind, kind))
        return kind != "ws" or is_loopback(address.host)

    def _changed(self) -> None:
        controls, preferences = self._window.sidebar.outputs, self._window.preferences
        on = tuple(parse_output(text).kind for text in controls.chosen())
        self._given = tuple(kind for kind in self._given if kind in on)
        preferences.outputs_on = tuple(kind for kind in on if kind not in self._given)
        preferences.output_addresses = {k: text for k, text in controls.addresses().items() if k not in self._given}
        self._choose()

    def _choose(self) -> None:
        addresses = [parse_output(text) for text in self._window.sidebar.outputs.chosen()]
        self.outputs.choose(addresses)
        if addresses:
            self._timer.start(LOOK_MS)
        else:
            self._timer.stop()
        self._look()

    def _look(self) -> None:
        self._window.sidebar.outputs.show_outputs(self.outputs.status())

    def _page_address(self) -> str:
        address = parse_output(self._window.sidebar.outputs.rows["ws"].text)
        return WebAccess(address.host, address.port, self.outputs.token).page_address()

    def _obey(self, command: RemoteCommand, done: Future[str]) -> None:
        """Do what *command* asks for, as the record button does, and say in *done* how it went."""
        status = self._window.bridge.status()
        recording = status.recording if status is not None else None
        begin, problem = command.decide(recording is not None and recording.active)
        if problem:
            done.set_result(problem)
        elif begin:
            self._window.recording_actions.start(command.name, done.set_result)
        else:
            self._window.bridge.stop_recording()
            done.set_result("")


def chosen_outputs(texts: Sequence[str]) -> tuple[OutputAddress, ...]:
    """The addresses that *texts* are, one of each kind: the window has one row each. Raises OutputError."""
    addresses = [parse_output(text) for text in texts]
    kinds = [address.kind for address in addresses]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise OutputError(f"{twice}: the window has one output of each kind. Give one, or run it with --headless.")
    return tuple(addresses)
