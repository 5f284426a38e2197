"""The style sheet of the whole window. Each state of a control looks different; tests/ui/test_states.py compares pictures."""

from __future__ import annotations

from PySide6.QtGui import QColor

from poseapp.ui.colours import CARD, Theme, mix


def style_sheet(t: Theme) -> str:
    """The style sheet of *t*."""
    return "\n".join((_frame(t), _texts(t), _buttons(t), _fields(t), _lists(t), _sliders(t), _panels(t), _notices(t)))


def _frame(t: Theme) -> str:
    return f"""
* {{ outline: 0; }}
QMainWindow, QDialog {{ background: {t.window}; }}
QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: 5px 7px; }}

QMenuBar {{ background: {t.surface}; color: {t.text}; border: 0; border-bottom: 1px solid {t.border}; padding: 2px 6px; }}
QMenuBar::item {{ padding: 5px 10px; border-radius: 6px; background: transparent; }}
QMenuBar::item:selected {{ background: {t.hover}; }}
QMenuBar::item:pressed {{ background: {t.accent}; color: {t.on_accent}; }}
QMenu {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.border}; padding: 6px; }}
QMenu::item {{ padding: 6px 28px 6px 30px; border-radius: 6px; }}
QMenu::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QMenu::item:disabled {{ color: {t.disabled}; background: transparent; }}
QMenu::separator {{ height: 1px; background: {t.border}; margin: 6px 8px; }}
QMenu::indicator, QMenu::icon {{ left: 9px; }}

QWidget#sidebar, QWidget#header, QWidget#recordBar, QWidget#panel {{ background: {t.surface}; }}
QWidget#header {{ border-bottom: 1px solid {t.border}; }}
QWidget#recordBar {{ border-top: 1px solid {t.border}; }}
QScrollArea, QScrollArea > QWidget > QWidget#sidebarBody {{ background: {t.surface}; border: 0; }}
QScrollArea > QWidget > QWidget#sheetBody {{ background: {t.window}; }}
QFrame[role="rule"] {{ background: {t.border}; border: 0; max-height: 1px; min-height: 1px; }}
QFrame[role="card"] {{ background: {t.window if t.dark else t.raised}; border: 1px solid {t.border}; border-radius: 10px; }}
QGroupBox {{ border: 0; margin: 0; padding: 0; }}
QDockWidget {{ color: {t.text}; }}
QMainWindow::separator {{ background: {t.border}; width: 1px; height: 1px; }}
QMainWindow::separator:hover {{ background: {t.accent}; }}
"""


def _texts(t: Theme) -> str:
    return f"""
QLabel {{ background: transparent; color: {t.text}; }}
QLabel[role="muted"] {{ color: {t.muted}; }}
QLabel[role="small"] {{ color: {t.muted}; font-size: 8pt; }}
QLabel[role="title"] {{ font-weight: 600; }}
QLabel[role="section"] {{ color: {t.muted}; font-size: 8pt; font-weight: 600; letter-spacing: 1px; }}
QLabel[role="display"] {{ font-size: 15pt; font-weight: 600; }}
QLabel[role="number"] {{ font-size: 13pt; font-weight: 600; }}
QLabel[role="warning"] {{ color: {t.warning}; }}
QLabel[role="danger"] {{ color: {t.danger}; }}
QLabel[role="key"] {{
    background: {t.raised}; border: 1px solid {t.border}; border-bottom-width: 2px; border-radius: 6px; padding: 3px 8px;
    font-weight: 600;
}}
"""


def _buttons(t: Theme) -> str:
    """The ring of what has the focus is a px wider than the border that it takes the place of, so the padding is one less."""
    return f"""
QPushButton {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px; padding: 7px 14px; }}
QPushButton:hover {{ background: {t.hover}; border-color: {t.muted}; }}
QPushButton:pressed {{ background: {t.pressed}; border-color: {t.muted}; }}
QPushButton:focus {{ border: 2px solid {t.ring}; padding: 6px 13px; }}
QPushButton:disabled {{ color: {t.disabled}; background: {t.surface}; }}

QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600; }}
QPushButton[role="primary"]:hover {{ background: {t.accent_hover}; border-color: {t.accent_hover}; }}
QPushButton[role="primary"]:pressed {{ background: {mix(t.accent, "#000000", 0.4).name()}; }}
QPushButton[role="primary"]:focus {{ border-color: {t.ring}; }}
QPushButton[role="primary"]:disabled {{ background: {t.raised}; color: {t.disabled}; border-color: {t.border}; }}

QPushButton[role="record"] {{ font-weight: 600; padding: 8px 16px 8px 12px; border-radius: 18px; min-height: 18px; }}
QPushButton[role="record"]:hover {{ border-color: {t.danger}; }}
QPushButton[role="record"]:checked {{ background: {t.tinted("danger")}; border-color: {t.danger}; }}
QPushButton[role="record"]:checked:hover {{ background: {mix(t.danger, t.surface, 0.72).name()}; }}
QPushButton[role="record"]:checked:pressed {{ background: {mix(t.danger, t.surface, 0.6).name()}; }}
QPushButton[role="record"]:focus {{ border: 2px solid {t.ring}; padding: 7px 15px 7px 11px; }}

QPushButton[role="flat"] {{ background: transparent; border-color: transparent; padding: 4px 10px; font-weight: 600; }}
QPushButton[role="flat"]:hover {{ background: {t.hover}; }}
QPushButton[role="flat"]:pressed {{ background: {t.pressed}; }}
QPushButton[role="flat"]:focus {{ border: 2px solid {t.ring}; padding: 3px 9px; }}
QPushButton[role="fold"] {{
    background: transparent; border-color: transparent; padding: 4px 2px; text-align: left; color: {t.muted};
    font-size: 8pt; font-weight: 600; letter-spacing: 1px;
}}
QPushButton[role="fold"]:hover {{ color: {t.text}; background: {t.hover}; }}
QPushButton[role="fold"]:pressed {{ background: {t.pressed}; }}
QPushButton[role="fold"]:focus {{ border: 2px solid {t.ring}; padding: 3px 1px; }}

QPushButton[role="toggle"] {{ padding: 6px 8px; }}
QPushButton[role="toggle"]:focus {{ border: 2px solid {t.ring}; padding: 5px 7px; }}
QPushButton[role="toggle"]:checked {{ background: {t.chosen}; border-color: {t.accent}; }}
QPushButton[role="toggle"]:checked:hover {{ background: {t.chosen_hover}; }}
QPushButton[role="toggle"]:checked:pressed {{ background: {t.pressed}; }}
QPushButton[role="toggle"]:checked:focus {{ border-color: {t.ring}; }}
QPushButton[role="toggle"]:checked:disabled {{ background: {t.raised}; border-color: {t.disabled}; }}

QToolButton {{ background: transparent; color: {t.text}; border: 1px solid transparent; border-radius: 8px; padding: 6px; }}
QToolButton:hover {{ background: {t.hover}; border-color: {t.border}; }}
QToolButton:pressed {{ background: {t.pressed}; }}
QToolButton:checked {{ background: {t.chosen}; border-color: {t.accent}; }}
QToolButton:checked:hover {{ background: {t.chosen_hover}; }}
QToolButton:checked:pressed {{ background: {t.pressed}; }}
QToolButton:focus {{ border: 2px solid {t.ring}; padding: 5px; }}
QToolButton::menu-indicator {{ image: none; }}
"""


def _fields(t: Theme) -> str:
    return f"""
QComboBox, QLineEdit, QSpinBox, QDoubleSpinBox {{
    background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px; padding: 6px 10px;
    min-height: 20px;
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QComboBox {{ combobox-popup: 0; }}
QComboBox[role="compact"] {{ padding: 5px 2px 5px 8px; }}
QComboBox:hover, QLineEdit:hover, QAbstractSpinBox:hover {{ background: {t.hover}; border-color: {t.muted}; }}
QComboBox:on {{ background: {t.chosen}; border-color: {t.accent}; }}
QComboBox:focus, QLineEdit:focus, QAbstractSpinBox:focus {{ border: 2px solid {t.ring}; padding: 5px 9px; }}
QComboBox[role="compact"]:focus {{ padding: 4px 1px 4px 7px; }}
QComboBox:disabled, QLineEdit:disabled, QAbstractSpinBox:disabled {{ color: {t.disabled}; background: {t.surface}; }}
QComboBox::drop-down {{ border: 0; width: 26px; }}
QComboBox::down-arrow {{ image: none; width: 0; height: 0; }}
"""


def _lists(t: Theme) -> str:
    return f"""
QComboBox QAbstractItemView {{
    background: {t.surface}; color: {t.text}; border: 1px solid {t.border}; padding: 5px; outline: 0;
    selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QComboBox QAbstractItemView::item {{ padding: 6px 8px; min-height: 20px; border-radius: 6px; color: {t.text}; }}
QComboBox QAbstractItemView::item:hover {{ background: {t.hover}; }}
QComboBox QAbstractItemView::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QComboBox QAbstractItemView::item:disabled {{ color: {t.disabled}; background: transparent; }}

QTableWidget, QPlainTextEdit {{
    background: {t.window if t.dark else t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px;
    gridline-color: {t.border}; selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QTableWidget:focus {{ border: 2px solid {t.ring}; }}
QListWidget {{
    background: {t.window if t.dark else t.raised}; color: {t.text}; border: 1px solid {t.border}; border-radius: 8px;
    padding: 4px; outline: 0;
}}
QListWidget:focus {{ border: 2px solid {t.ring}; padding: 3px; }}
QListWidget::item {{ border-radius: 6px; padding: 3px; }}
QListWidget::item:hover {{ background: {t.hover}; }}
QListWidget::item:selected {{ background: {t.chosen}; color: {t.text}; }}
QListWidget::indicator {{ width: 13px; height: 13px; border-radius: 4px; border: 1px solid {t.muted}; }}
QListWidget::indicator:checked {{ background: {t.accent}; border-color: {t.accent}; }}
QHeaderView::section {{
    background: transparent; color: {t.muted}; border: 0; border-bottom: 1px solid {t.border}; padding: 5px 8px; font-weight: 600;
}}
QTableWidget::item {{ padding: 3px 8px; }}
QTableCornerButton::section {{ background: transparent; border: 0; }}
"""


def _sliders(t: Theme) -> str:
    handle = t.border if t.dark else "#8a93a3"
    return f"""
QSlider:horizontal {{ min-height: 24px; }}
QSlider::groove:horizontal {{ height: 4px; background: {t.track}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{
    background: #ffffff; border: 1px solid {handle}; width: 16px; height: 16px; margin: -7px 0; border-radius: 9px;
}}
QSlider::handle:horizontal:hover {{ border: 2px solid {t.accent}; width: 14px; height: 14px; }}
QSlider::handle:horizontal:pressed {{ background: {t.accent}; border: 2px solid #ffffff; width: 14px; height: 14px; }}
QSlider::handle:horizontal:focus {{
    background: {t.accent}; border: 3px solid {t.ring}; width: 12px; height: 12px;
}}
QSlider::sub-page:horizontal:disabled {{ background: {t.track}; }}
QSlider::handle:horizontal:disabled {{ background: {t.raised}; border: 1px solid {t.border}; width: 16px; height: 16px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
QScrollBar::handle {{
    background: {mix(t.muted, t.surface, 0.35).name()}; border-radius: 3px; min-height: 28px; min-width: 28px;
}}
QScrollBar::handle:hover {{ background: {t.muted}; }}
QScrollBar::handle:pressed {{ background: {t.text}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page,
QScrollBar::sub-page {{ background: none; width: 0; height: 0; }}
"""


def _panels(t: Theme) -> str:
    return f"""
QTabBar {{ background: transparent; }}
QTabBar::tab {{
    background: transparent; color: {t.muted}; border: 2px solid transparent; padding: 4px 10px; margin-right: 4px;
    border-radius: 7px; font-weight: 600;
}}
QTabBar::tab:hover {{ background: {t.hover}; }}
QTabBar::tab:selected {{ background: {t.raised}; color: {t.text}; }}
QTabBar::tab:selected:focus {{ border-color: {t.ring}; }}

QProgressBar {{ background: {t.track}; border: 0; border-radius: 3px; min-height: 6px; max-height: 6px; text-align: center; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
QProgressBar[role="edge"] {{ border-radius: 0; min-height: 3px; max-height: 3px; }}
QProgressBar[role="edge"]::chunk {{ border-radius: 0; }}
"""


def _notices(t: Theme) -> str:
    """OverlayStack and the card over the picture; the card is dark in both themes, as the stage is."""
    levels = {"error": "danger", "warning": "warning", "info": "info", "success": "success"}
    banners = "\n".join(
        f'QFrame#banner[level="{level}"] {{ border-color: {getattr(t, name)}; background: {t.tinted(name)}; }}'
        for level, name in levels.items()
    )
    dark = QColor(CARD.ground)
    ground = f"rgba({dark.red()}, {dark.green()}, {dark.blue()}, {CARD.opacity})"
    return f"""
QFrame#banner {{ border-radius: 8px; border: 1px solid {t.border}; background: {t.raised}; }}
{banners}
QFrame#buildProgress {{ border-radius: 8px; border: 1px solid {t.border}; background: {t.surface}; }}
QFrame#messageCard {{ background: {ground}; border: 1px solid #343a48; border-radius: 14px; }}
QFrame#messageCard QLabel {{ color: {CARD.text}; }}
QFrame#messageCard QLabel[role="muted"] {{ color: {CARD.muted}; }}
QFrame#messageCard QPushButton {{ background: #2a303c; color: {CARD.text}; border-color: #3b4250; }}
QFrame#messageCard QPushButton:hover {{ background: #363d4b; border-color: #a3abbb; }}
QFrame#messageCard QPushButton:pressed {{ background: #1b2029; }}
QFrame#messageCard QPushButton:focus {{ border-color: #ffffff; }}
QFrame#messageCard QPushButton[role="primary"] {{ background: {t.accent}; color: #ffffff; border-color: {t.accent}; }}
QFrame#messageCard QPushButton[role="primary"]:hover {{ background: {t.accent_hover}; }}
QFrame#messageCard QPushButton[role="primary"]:pressed {{ background: {mix(t.accent, "#000000", 0.4).name()}; }}
QFrame#messageCard QPushButton[role="primary"]:focus {{ border-color: #ffffff; }}
"""
