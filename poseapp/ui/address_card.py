"""The card that asks for a network address: as it is, or of a phone by the app that runs on it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from poseapp.core.addresses import address_name
from poseapp.core.errors import SourceError
from poseapp.live.sources.phones import PHONES, PhoneApp, phone_address
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.widgets import describe, label

STEPS = (
    "1. Bring phone and computer into the same network (Wi-Fi).  2. Open the app on the phone and {start}.  "
    "3. Type the number that the app shows, such as 192.168.1.20."
)
PLUGGED_IN = "Camo, Iriun, EpocCam and the iPhone as a Mac's camera need no address: they are among the cameras."
PLAIN = "Any rtsp:// or http:// address, such as rtsp://camera.local/stream. A password in it is written into no file."


class AddressCard(QDialog):
    """Asks for an address, which begins as *address*; ``address`` is what was typed, with its password."""

    def __init__(self, address: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Network address")
        self.address = ""
        self.app = ComboBox(whole=True)
        describe(self.app, "App", "The app that runs on the phone")
        self.app.addItem("An address that I know", None)
        for phone in PHONES:
            self.app.addItem(f"{phone.name} ({phone.system})", phone)
        self.plain = self._field("Address", "rtsp://… or http://…")
        self.plain.setText(address)
        self.host = self._field("Number of the phone", "192.168.1.20")
        self.path = self._field("Path", "")
        self.user = self._field("User", "only where the app asks for one")
        self.password = self._field("Password", "only where the app asks for one")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.port = QSpinBox()
        self.port.setRange(1, 65535)
        self.port.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        describe(self.port, "Port", "The app shows it behind the colon")
        self.steps, self.note = label("", "muted"), label("", "warning")
        for line in (self.steps, self.note):
            line.setWordWrap(True)
            line.setMinimumWidth(460)
        self.show_button, self.cancel = QPushButton("Show"), QPushButton("Cancel")
        self.show_button.setProperty("role", "primary")
        self.show_button.setDefault(True)
        self._lay_out()
        self.app.activated.connect(lambda _row: self._show_app())
        for field in (self.plain, self.host, self.path):
            field.textChanged.connect(lambda _text: self._check())
        self.port.valueChanged.connect(lambda _value: self._check())
        self.show_button.clicked.connect(self._take)
        self.cancel.clicked.connect(self.reject)
        self._show_app()

    def _field(self, name: str, placeholder: str) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText(placeholder)
        describe(field, name, f"{name}: {placeholder}" if placeholder else name)
        return field

    def _lay_out(self) -> None:
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(12)
        self._form.setVerticalSpacing(8)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for name, widget in (
            ("App", self.app),
            ("Address", self.plain),
            ("Phone", self.host),
            ("Port", self.port),
            ("Path", self.path),
            ("User", self.user),
            ("Password", self.password),
        ):
            self._form.addRow(name, widget)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.show_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addLayout(self._form)
        layout.addWidget(self.steps)
        layout.addWidget(self.note)
        layout.addLayout(buttons)

    @property
    def phone(self) -> PhoneApp | None:
        """The app that is chosen; None for an address."""
        chosen: PhoneApp | None = self.app.currentData()
        return chosen

    def choose(self, phone: PhoneApp) -> None:
        """Choose the app *phone*."""
        self.app.setCurrentIndex(next(row for row in range(self.app.count()) if self.app.itemData(row) == phone))
        self._show_app()

    def _show_app(self) -> None:
        phone = self.phone
        for field in (self.host, self.port, self.path, self.user, self.password):
            self._form.setRowVisible(field, phone is not None)
        self._form.setRowVisible(self.plain, phone is None)
        if phone is not None:
            self.port.setValue(phone.port)
            self.path.setText(phone.path)
        self.steps.setText(
            f"{STEPS.format(start=phone.start)}\n\n{PLUGGED_IN}" if phone is not None else f"{PLAIN}\n\n{PLUGGED_IN}"
        )
        (self.host if phone is not None else self.plain).setFocus(Qt.FocusReason.OtherFocusReason)
        self._check()
        self.adjustSize()

    def _typed(self) -> str:
        """The address as it is typed so far. Raises SourceError."""
        phone = self.phone
        if phone is None:
            return self.plain.text().strip()
        return phone_address(phone, self.host.text(), self.port.value(), self.path.text(), self.user.text(), self.password.text())

    def _check(self) -> None:
        empty = not (self.host if self.phone is not None else self.plain).text().strip()
        self.show_button.setEnabled(not empty)
        try:
            typed = self._typed()
            self.note.setText("" if empty or self.phone is None else f"Shows {address_name(typed)}")
        except SourceError as error:
            self.note.setText("" if empty else str(error))
            self.show_button.setEnabled(False)

    def _take(self) -> None:
        try:
            self.address = self._typed()
        except SourceError as error:
            self.note.setText(str(error))
            return
        self.accept()
