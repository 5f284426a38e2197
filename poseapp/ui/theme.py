"""How the window looks: two themes, their palette and one style sheet."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

ThemeName = Literal["system", "dark", "light"]
THEME_NAMES: tuple[str, ...] = get_args(ThemeName)
THEME_TITLES = {"system": "Like the system", "dark": "Dark", "light": "Light"}


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, #rrggbb. Text colours have a contrast of at least 4.5 : 1 on all three surfaces."""

    dark: bool
    window: str
    surface: str  # cards, bars
    raised: str  # fields, buttons
    hover: str
    border: str
    text: str
    muted: str  # second rank, still to be read
    accent: str
    accent_hover: str
    on_accent: str
    danger: str
    warning: str
    success: str
    info: str
    left: str  # the left side of the body
    right: str
    middle: str
    stage: str  # behind the picture
    track: str  # empty part of a bar or slider


DARK = Theme(
    dark=True,
    window="#101218",
    surface="#171a22",
    raised="#232833",
    hover="#2d3340",
    border="#2b303c",
    text="#eceef4",
    muted="#a3abbb",
    accent="#6e5cf6",
    accent_hover="#8373ff",
    on_accent="#ffffff",
    danger="#ff5468",
    warning="#ffb547",
    success="#35cf8c",
    info="#5aa9ff",
    left="#3cbeff",
    right="#ff8c28",
    middle="#e6e8ee",
    stage="#090a0e",
    track="#2b303c",
)
LIGHT = Theme(
    dark=False,
    window="#eef0f5",
    surface="#ffffff",
    raised="#f3f4f8",
    hover="#e6e9f0",
    border="#d9dde6",
    text="#171a22",
    muted="#586071",
    accent="#5a49e8",
    accent_hover="#6d5df5",
    on_accent="#ffffff",
    danger="#c81f36",
    warning="#965600",
    success="#128256",
    info="#1c6fd1",
    left="#0f8fd6",
    right="#e06a00",
    middle="#586071",
    stage="#15171d",
    track="#dfe3eb",
)


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
        roles.Link: theme.accent_hover if theme.dark else theme.accent,
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


def mix(a: str, b: str, share_of_b: float) -> QColor:
    """A colour between *a* and *b*."""
    one, two = QColor(a), QColor(b)
    keep = 1.0 - share_of_b
    return QColor(
        round(one.red() * keep + two.red() * share_of_b),
        round(one.green() * keep + two.green() * share_of_b),
        round(one.blue() * keep + two.blue() * share_of_b),
    )


def style_sheet(t: Theme) -> str:
    """The style sheet of the whole application."""
    disabled = mix(t.muted, t.surface, 0.45).name()
    accent_soft = mix(t.accent, t.surface, 0.68).name()
    danger_soft = mix(t.danger, t.surface, 0.84).name()
    return f"""
* {{ outline: 0; }}
QMainWindow, QDialog {{ background: {t.window}; }}
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: 5px 7px; }}

QMenuBar {{ background: {t.surface}; color: {t.text}; border: 0; border-bottom: 1px solid {t.border}; padding: 2px 6px; }}
QMenuBar::item {{ padding: 5px 10px; border-radius: 6px; background: transparent; }}
QMenuBar::item:selected {{ background: {t.hover}; }}
QMenu {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.border}; padding: 6px; }}
QMenu::item {{ padding: 6px 28px 6px 30px; border-radius: 6px; }}
QMenu::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QMenu::item:disabled {{ color: {disabled}; background: transparent; }}
QMenu::separator {{ height: 1px; background: {t.border}; margin: 6px 8px; }}
QMenu::indicator, QMenu::icon {{ left: 9px; }}

QLabel {{ background: transparent; color: {t.text}; }}
QLabel[role="muted"] {{ color: {t.muted}; }}
QLabel[role="small"] {{ color: {t.muted}; font-size: 8pt; }}
QLabel[role="title"] {{ font-weight: 600; }}
QLabel[role="section"] {{ color: {t.muted}; font-size: 8pt; font-weight: 600; letter-spacing: 1px; }}
QLabel[role="display"] {{ font-size: 15pt; font-weight: 600; }}
QLabel[role="number"] {{ font-size: 13pt; font-weight: 600; }}
QLabel[role="warning"] {{ color: {t.warning}; }}
QLabel[role="danger"] {{ color: {t.danger}; }}

QWidget#sidebar, QWidget#header, QWidget#buildLine, QWidget#recordBar, QWidget#panel {{ background: {t.surface}; }}
QWidget#header {{ border-bottom: 1px solid {t.border}; }}
QWidget#recordBar {{ border-top: 1px solid {t.border}; }}
QScrollArea, QScrollArea > QWidget > QWidget#sidebarBody {{ background: {t.surface}; border: 0; }}
QFrame[role="rule"] {{ background: {t.border}; border: 0; max-height: 1px; min-height: 1px; }}
QFrame[role="card"] {{ background: {t.window if t.dark else t.raised}; border: 1px solid {t.border}; border-radius: 10px; }}

QPushButton {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px; padding: 7px 14px; }}
QPushButton:hover {{ background: {t.hover}; }}
QPushButton:pressed {{ background: {t.border}; }}
QPushButton:focus {{ border-color: {t.accent}; }}
QPushButton:disabled {{ color: {disabled}; background: {t.surface}; }}
QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600; }}
QPushButton[role="primary"]:hover {{ background: {t.accent_hover}; border-color: {t.accent_hover}; }}
QPushButton[role="primary"]:disabled {{ background: {t.raised}; color: {disabled}; border-color: {t.border}; }}
QPushButton[role="record"] {{ font-weight: 600; padding: 8px 16px 8px 12px; border-radius: 18px; min-height: 18px; }}
QPushButton[role="record"]:hover {{ border-color: {t.danger}; }}
QPushButton[role="record"]:checked {{ background: {danger_soft}; color: {t.text}; border-color: {t.danger}; }}

QPushButton[role="flat"] {{ background: transparent; border-color: transparent; padding: 4px 10px; font-weight: 600; }}
QPushButton[role="flat"]:hover {{ background: {t.hover}; }}
QPushButton[role="flat"]:focus {{ border-color: {t.accent}; }}

QPushButton[role="toggle"] {{ padding: 6px 8px; }}
QPushButton[role="toggle"]:checked {{ background: {accent_soft}; border-color: {t.accent}; font-weight: 600; }}

QToolButton {{ background: transparent; color: {t.text}; border: 1px solid transparent; border-radius: 8px; padding: 6px; }}
QToolButton:hover {{ background: {t.hover}; }}
QToolButton:pressed {{ background: {t.border}; }}
QToolButton:focus {{ border-color: {t.accent}; }}
QToolButton:checked {{ background: {accent_soft}; }}
QToolButton::menu-indicator {{ image: none; }}

QComboBox, QLineEdit, QSpinBox {{
    background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px; padding: 6px 10px;
    min-height: 20px;
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QComboBox {{ combobox-popup: 0; }}
QComboBox[role="compact"] {{ padding: 5px 2px 5px 8px; }}
QComboBox:hover, QLineEdit:hover {{ background: {t.hover}; }}
QComboBox:focus, QLineEdit:focus, QComboBox:on {{ border-color: {t.accent}; }}
QComboBox:disabled, QLineEdit:disabled {{ color: {disabled}; background: {t.surface}; }}
QComboBox::drop-down {{ border: 0; width: 26px; }}
QComboBox::down-arrow {{ image: none; width: 0; height: 0; }}
QComboBox QAbstractItemView {{
    background: {t.surface}; color: {t.text}; border: 1px solid {t.border}; padding: 5px; outline: 0;
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QComboBox QAbstractItemView::item {{ padding: 6px 8px; min-height: 20px; border-radius: 6px; }}
QComboBox QAbstractItemView::item:disabled {{ color: {disabled}; }}

QSlider:horizontal {{ min-height: 24px; }}
QSlider::groove:horizontal {{ height: 4px; background: {t.track}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{
    background: #ffffff; border: 1px solid {t.border if t.dark else "#b9c0cd"}; width: 16px; height: 16px; margin: -7px 0;
    border-radius: 9px;
}}
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus {{ border: 2px solid {t.accent}; width: 14px; height: 14px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
QScrollBar::handle {{ background: {t.track if t.dark else "#c6ccd8"}; border-radius: 3px; min-height: 28px; min-width: 28px; }}
QScrollBar::handle:hover {{ background: {t.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page,
QScrollBar::sub-page {{ background: none; width: 0; height: 0; }}

QDockWidget {{ color: {t.text}; }}
QMainWindow::separator {{ background: {t.border}; width: 1px; height: 1px; }}
QMainWindow::separator:hover {{ background: {t.accent}; }}

QTabBar {{ background: transparent; }}
QTabBar::tab {{
    background: transparent; color: {t.muted}; border: 0; padding: 6px 12px; margin-right: 4px;
    border-radius: 7px; font-weight: 600;
}}
QTabBar::tab:hover {{ background: {t.hover}; }}
QTabBar::tab:selected {{ background: {t.raised}; color: {t.text}; }}

QProgressBar {{ background: {t.track}; border: 0; border-radius: 3px; min-height: 6px; max-height: 6px; text-align: center; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}

QProgressBar[role="edge"] {{ border-radius: 0; min-height: 3px; max-height: 3px; }}
QProgressBar[role="edge"]::chunk {{ border-radius: 0; }}

QTableWidget, QPlainTextEdit {{
    background: {t.window if t.dark else t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px;
    gridline-color: {t.border}; selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QHeaderView::section {{
    background: transparent; color: {t.muted}; border: 0; border-bottom: 1px solid {t.border}; padding: 5px 8px; font-weight: 600;
}}
QTableWidget::item {{ padding: 3px 8px; }}
QTableCornerButton::section {{ background: transparent; border: 0; }}

QFrame#banner {{ border-radius: 8px; border: 1px solid {t.border}; background: {t.raised}; }}
QFrame#banner[level="error"] {{ border-color: {t.danger}; background: {danger_soft}; }}
QFrame#banner[level="warning"] {{ border-color: {t.warning}; background: {mix(t.warning, t.surface, 0.86).name()}; }}
QFrame#banner[level="info"] {{ border-color: {t.info}; background: {mix(t.info, t.surface, 0.86).name()}; }}
QFrame#banner[level="success"] {{ border-color: {t.success}; background: {mix(t.success, t.surface, 0.86).name()}; }}
QFrame#stateCard {{ background: rgba(16, 18, 24, 225); border: 1px solid #343a48; border-radius: 14px; }}
QFrame#stateCard QLabel {{ color: #f2f4f8; }}
QFrame#stateCard QLabel[role="muted"] {{ color: #b6bdca; }}
QFrame#stateCard QPushButton {{ background: #2a303c; color: #f2f4f8; border-color: #3b4250; }}
QFrame#stateCard QPushButton:hover {{ background: #363d4b; }}
QFrame#stateCard QPushButton[role="primary"] {{ background: {t.accent}; color: #ffffff; border-color: {t.accent}; }}
QFrame#stateCard QPushButton[role="primary"]:hover {{ background: {t.accent_hover}; }}
"""
