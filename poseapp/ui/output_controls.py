"""The sidebar's section on outputs: a switch, a light, the rate, what is dropped, and the address of each."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from poseapp.core.errors import OutputError
from poseapp.live.outputs import OUTPUTS, OutputStatus, parse_output
from poseapp.live.outputs.runner import Light
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.fold import Fold
from poseapp.ui.header import Dot
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, label, set_role

TITLE = "OUTPUTS"
_LIGHTS: dict[Light, tuple[str, str]] = {
    "starting": ("warning", "Starting"),
    "live": ("success", "Live"),
    "waiting": ("warning", "Waiting"),
    "failed": ("danger", "Failed"),
}


class OutputControls(Fold):
    """All outputs, one row each. ``changed`` says that the user wants others, or others' addresses."""

    changed = Signal()
    page_asked = Signal()  # the page of the WebSocket output, in a browser
    copy_asked = Signal()  # its address

    def __init__(self) -> None:
        super().__init__(TITLE, "Outputs", "Send live poses to other programs: OSC, WebSocket, UDP, LSL, virtual camera")
        self.rows = {kind: OutputRow(kind) for kind in OUTPUTS}
        for row in self.rows.values():
            self.content.addWidget(row)
            row.changed.connect(self.changed)
        web = self.rows["ws"]
        self.open_page, self.copy = QPushButton("Open page"), QPushButton("Copy address")
        describe(self.open_page, "Open page", "Show the skeleton in a browser")
        describe(self.copy, "Copy address", "Copy the address of the page, with its token, for a browser or for OBS")
        for button, signal in ((self.open_page, self.page_asked), (self.copy, self.copy_asked)):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(signal)
        web.add_buttons(self.open_page, self.copy)

    def in_order(self) -> list[QWidget]:
        """What can be used, from top to bottom."""
        parts: list[QWidget] = [self.button]
        for row in self.rows.values():
            parts += [row.switch, row.address]
            if row is self.rows["ws"]:
                parts += [self.open_page, self.copy]
        return parts

    def chosen(self) -> tuple[str, ...]:
        """The addresses of those that are on."""
        return tuple(row.text for row in self.rows.values() if row.switch.isChecked())

    def addresses(self) -> dict[str, str]:
        """The address of each, on or off."""
        return {kind: row.text for kind, row in self.rows.items()}

    def restore(self, addresses: Mapping[str, str], on: tuple[str, ...]) -> None:
        """Show *addresses* by kind, and which kinds are *on*; nothing is said to have changed."""
        for kind, row in self.rows.items():
            row.restore(addresses.get(kind, OUTPUTS[kind].default), kind in on)

    def show_outputs(self, statuses: tuple[OutputStatus, ...]) -> None:
        """Show how each one is doing."""
        by_kind = {status.address.kind: status for status in statuses}
        for kind, row in self.rows.items():
            row.show_status(by_kind.get(kind))
        words = [f"{sum(one.light == light for one in statuses)} {light}" for light in ("live", "waiting", "starting", "failed")]
        said = ", ".join(word for word in words if not word.startswith("0 "))
        text = f"{TITLE}: {said.upper()}" if said else TITLE
        if self.button.text() != text:
            self.button.setText(text)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        super().set_theme(theme)
        for row in self.rows.values():
            row.set_theme(theme)


class OutputRow(QWidget):
    """One output: what it is, whether it is on, and while it is on its address and how it is doing."""

    changed = Signal()

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind, self._theme = kind, DARK
        known = OUTPUTS[kind]
        self.text = known.default  # the address that counts: the last one that was right
        self._status: OutputStatus | None = None
        self.light = Dot()
        self.switch = Switch(known.label, known.tip)
        self.address = QLineEdit(known.default)
        describe(self.address, f"Address of {known.label}", f"Where it goes, such as {known.default}. Enter takes it.")
        self.figures, self.message = ElidedLabel("", "muted"), label("", "small")
        self.message.setWordWrap(True)
        self.message.hide()
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.light)
        head.addWidget(self.switch, 1)
        self._body = QWidget()
        self._below = QVBoxLayout(self._body)
        self._below.setContentsMargins(20, 0, 0, 4)
        self._below.setSpacing(4)
        for part in (self.address, self.figures, self.message):
            self._below.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self._body)
        self._body.hide()
        self.switch.toggled.connect(self._toggled)
        self.address.editingFinished.connect(self._edited)
        self.show_status(None)

    def add_buttons(self, *buttons: QPushButton) -> None:
        """Further buttons, side by side."""
        grid = QGridLayout()
        grid.setSpacing(6)
        for column, button in enumerate(buttons):
            grid.addWidget(button, 0, column)
        self._below.addLayout(grid)

    def restore(self, address: str, on: bool) -> None:
        """Show *address*, and whether it is *on*."""
        self.text = address
        self.address.setText(address)
        blocked = self.blockSignals(True)
        self.switch.set_on(on)
        self.blockSignals(blocked)

    def show_status(self, status: OutputStatus | None) -> None:
        """Show how it is doing; None while it is off."""
        self._status = status
        level, word = _LIGHTS[status.light] if status is not None else ("disabled", "Off")
        self.light.set_colour(getattr(self._theme, level), f"{OUTPUTS[self._kind].label}: {word}")
        if status is None:
            self.figures.set_text("")
            self._say("", "small")
            return
        rate, dropped = f"{status.rate:.0f} frames a second", f"{status.dropped} dropped"
        self.figures.set_text(f"{word} · {rate} · {dropped}", f"{word} · {status.rate:.0f}/s · {dropped}")
        self._say(status.message, "danger" if status.light == "failed" else "small")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.switch.set_theme(theme)
        self.show_status(self._status)

    def _say(self, text: str, role: str) -> None:
        set_role(self.message, role)
        if self.message.text() != text:
            self.message.setText(text)
        self.message.setVisible(bool(text))

    def _toggled(self, on: bool) -> None:
        self._body.setVisible(on)
        self.changed.emit()

    def _edited(self) -> None:
        """Take the address where it is one; else say what is wrong, and keep the one before."""
        if self.address.text() == self.text:
            return
        try:
            address = parse_output(self.address.text())
            if address.kind != self._kind:
                raise OutputError(f"{self._kind}: expected an address such as {OUTPUTS[self._kind].default}. Change it.")
        except OutputError as error:
            self._say(str(error), "danger")
            return
        self.text = str(address)
        self.address.setText(self.text)
        self.changed.emit()
