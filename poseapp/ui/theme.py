"""How the window looks: which theme is used, the palette, and the font."""

from __future__ import annotations

import sys
from typing import Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from poseapp.ui.colours import DARK, LIGHT, Theme, mix
from poseapp.ui.style import style_sheet

ThemeName = Literal["system", "dark", "light"]
THEME_NAMES: tuple[str, ...] = get_args(ThemeName)
THEME_TITLES = {"system": "Like the system", "dark": "Dark", "light": "Light"}


class Themes(QObject):
    """Applies a theme to the application and follows the system where that is what the user chose."""

    changed = Signal(object)  # Theme

    def __init__(self, app: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._name: ThemeName = "system"
        self.current = DARK
        app.styleHints().colorSchemeChanged.connect(self._system_changed)

    @property
    def name(self) -> ThemeName:
        """What the user chose."""
        return self._name

    def use(self, name: ThemeName) -> None:
        """Switch to *name* now."""
        self._name = name
        hints = self._app.styleHints()
        if hasattr(hints, "setColorScheme"):  # Qt 6.8: title bars and file dialogs follow, too
            wanted = {"dark": Qt.ColorScheme.Dark, "light": Qt.ColorScheme.Light, "system": Qt.ColorScheme.Unknown}
            hints.setColorScheme(wanted[name])
        self._apply()

    def _system_changed(self) -> None:
        if self._name == "system":
            self._apply()

    def _apply(self) -> None:
        if self._name == "system":
            # A system that does not say gets the dark one: pictures stand out best on it.
            theme = LIGHT if self._app.styleHints().colorScheme() == Qt.ColorScheme.Light else DARK
        else:
            theme = DARK if self._name == "dark" else LIGHT
        self.current = theme
        if self._app.style().objectName().lower() != "fusion":
            self._app.setStyle(QStyleFactory.create("Fusion"))
        self._app.setPalette(palette(theme))
        self._app.setStyleSheet(style_sheet(theme))
        self.changed.emit(theme)


def app_font(base: QFont) -> QFont:
    """*base*, with a modern family in front of it on Linux, where the default is often an old one."""
    font = QFont(base)
    if sys.platform.startswith("linux"):
        font.setFamilies(["Inter", "Noto Sans", "Ubuntu", "Cantarell", base.family()])
    font.setPointSizeF(max(9.5, min(base.pointSizeF(), 11.0)) if base.pointSizeF() > 0 else 10.0)
    return font


def palette(theme: Theme) -> QPalette:
    """The Qt palette, for all that the style sheet does not touch."""
    roles = QPalette.ColorRole
    colours = {
        roles.Window: theme.window,
        roles.WindowText: theme.text,
        roles.Base: theme.raised,
        roles.AlternateBase: theme.surface,
        roles.Text: theme.text,
        roles.Button: theme.raised,
        roles.ButtonText: theme.text,
        roles.BrightText: theme.danger,
        roles.ToolTipBase: theme.raised,
        roles.ToolTipText: theme.text,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Link: theme.info if theme.dark else theme.accent,
        roles.PlaceholderText: theme.muted,
        roles.Light: theme.hover,
        roles.Midlight: theme.border,
        roles.Mid: theme.border,
        roles.Dark: theme.border,
    }
    result = QPalette()
    for role, colour in colours.items():
        result.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, mix(theme.muted, theme.surface, 0.35))
    return result
