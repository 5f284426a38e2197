"""The line over the picture that tells the user what they should know; no dialog is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from poseapp.ui import icons
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import describe, icon_button, label, paint_icon

Level = Literal["error", "warning", "success", "info"]
_RANK: dict[Level, int] = {"error": 0, "warning": 1, "success": 2, "info": 3}
_ICONS: dict[Level, str] = {"error": "warning", "warning": "warning", "success": "check", "info": "info"}
_COLOURS: dict[Level, str] = {"error": "danger", "warning": "warning", "success": "success", "info": "info"}


NOTICE_MS = 6000  # how long a notice stays that needs no answer
LINGER_MS = 15_000  # how long any remark stays: it lies over somebody's feet
_REMARKS: tuple[Level, ...] = ("info", "success")


@dataclass(frozen=True)
class Notice:
    """One message. ``episode`` tells a new one from the same one said again: a dismissed episode stays away."""

    text: str
    level: Level
    episode: str
    action: str = ""
    on_action: Callable[[], None] | None = None


class Banner(QWidget):
    """Shows the gravest notice, and of several the newest. Each topic (source, model, record, …) has one at most.

    ``changed`` tells that another one is shown, or none.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._notices: dict[str, Notice] = {}
        self._dismissed: dict[str, str] = {}
        self._shown = ""
        self.frame = QFrame()
        self.frame.setObjectName("banner")
        self._icon, self._text = QLabel(), label()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._action = QPushButton()
        self._action.setObjectName("bannerAction")
        self._action.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._action.clicked.connect(self._act)
        self._close = icon_button("bannerClose", "Dismiss")
        self._close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self.frame)
        row.setContentsMargins(12, 6, 6, 6)
        row.setSpacing(10)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        row.addWidget(self._action)
        row.addWidget(self._close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.frame)
        self.hide()

    @property
    def buttons(self) -> tuple[QWidget, ...]:
        """What can be pressed."""
        return self._action, self._close

    @property
    def passes(self) -> bool:
        """Whether what is shown is no more than a remark, which goes away by itself."""
        return bool(self._shown) and self._notices[self._shown].level in _REMARKS

    @property
    def action(self) -> str:
        """What its button says, or ""."""
        return self._notices[self._shown].action if self._shown else ""

    @property
    def text(self) -> str:
        """The line that is shown, or ""."""
        return self._notices[self._shown].text if self._shown else ""

    def say(
        self,
        topic: str,
        text: str,
        level: Level = "error",
        episode: str = "",
        action: str = "",
        on_action: Callable[[], None] | None = None,
    ) -> None:
        """Show *text* about *topic*; an empty *text* takes back what was said about it."""
        if not text:
            self.take_back(topic)
            return
        notice = Notice(text, level, episode or text, action, on_action)
        if self._dismissed.get(topic) == notice.episode:
            return
        self._dismissed.pop(topic, None)
        known = self._notices.get(topic)
        self._notices[topic] = notice
        if level in _REMARKS:
            QTimer.singleShot(LINGER_MS, self, lambda: self._expire(topic, notice))
        if known is None or (known.text, known.level, known.action) != (text, level, action):
            self._refresh()

    def take_back(self, topic: str) -> None:
        """Nothing more to say about *topic*."""
        self._dismissed.pop(topic, None)
        if self._notices.pop(topic, None) is not None:
            self._refresh()

    def dismiss(self) -> None:
        """Hide what is shown, until there is something new to say about its topic."""
        self.dismiss_topic(self._shown)

    def dismiss_topic(self, topic: str) -> None:
        """Hide what is said about *topic*, until there is something new to say about it."""
        if topic in self._notices:
            self._dismissed[topic] = self._notices.pop(topic).episode
            self._refresh()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        paint_icon(self._close, "close", theme.muted)
        self._refresh()

    def _refresh(self) -> None:
        if not self._notices:
            self._shown = ""
            self.hide()
            self.changed.emit()
            return
        self._shown = min(reversed(self._notices), key=lambda topic: _RANK[self._notices[topic].level])
        notice = self._notices[self._shown]
        colour = getattr(self._theme, _COLOURS[notice.level])
        self._icon.setPixmap(icons.pixmap(_ICONS[notice.level], colour, 18, max(self.devicePixelRatioF(), 1.0)))
        if self._text.text() != notice.text:
            self._text.setText(notice.text)
            describe(self, "Notice", notice.text)
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        self._action.setText(notice.action)
        self._action.setVisible(bool(notice.action))
        if self.frame.property("level") != notice.level:
            self.frame.setProperty("level", notice.level)
            self.frame.style().unpolish(self.frame)
            self.frame.style().polish(self.frame)
        self.show()
        self.changed.emit()

    def _expire(self, topic: str, notice: Notice) -> None:
        if self._notices.get(topic) is notice:
            self.take_back(topic)

    def _act(self) -> None:
        if not self._shown:
            return
        action = self._notices[self._shown].on_action
        self.dismiss()
        if action is not None:
            action()
