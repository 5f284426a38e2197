"""Keys that the user assigns to actions, for a foot pedal or a remote: such a device sends a key as a keyboard does."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QKeySequence

from poseapp.ui.actions import ACTIONS

# The window, buttons and sliders need these for themselves.
_TAKEN = (
    *(Qt.Key.Key_Space, Qt.Key.Key_Escape, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Enter),
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End),
)
_TAKEN_NAMES = "Space, Esc, Tab, Enter, the arrows, Home, End and Ctrl+1 … 9"
_CHOOSE_MODEL = {f"Ctrl+{n}" for n in range(1, 10)}
_NONE = "Expected one key. Press the key or the pedal in the field."
LONGEST = 40  # characters of a key's name


def assignable() -> tuple[str, ...]:
    """The names of the actions to which keys can be assigned: those of the menus."""
    return tuple(one.name for one in ACTIONS if one.name and one.menu)


def why_not(key: str) -> str:
    """Why *key*, as QKeySequence names it, cannot be assigned; "" where it can."""
    sequence = QKeySequence(key, QKeySequence.SequenceFormat.PortableText) if len(key) <= LONGEST else QKeySequence()
    if sequence.count() != 1:
        return _NONE
    pressed: QKeyCombination = sequence[0]  # type: ignore[index]  # PySide6 does not tell it
    if pressed.key() in (Qt.Key.Key_unknown, Qt.Key(0)):
        return _NONE
    plain = not pressed.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if (plain and pressed.key() in _TAKEN) or sequence.toString(QKeySequence.SequenceFormat.PortableText) in _CHOOSE_MODEL:
        return f"The window itself needs {_TAKEN_NAMES}. Set the pedal to another key, such as F13 or B."
    return ""


def effective_keys(own: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The keys of each action that can have some: those of the table, less what *own* gives to others, and its own."""
    taken = {key: name for name, key in own.items()}
    return {
        one.name: (*(key for key in one.keys if taken.get(key, one.name) == one.name), *_more(own, one.name, one.keys))
        for one in ACTIONS
        if one.name and one.menu
    }


def _more(own: Mapping[str, str], name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    return (own[name],) if name in own and own[name] not in keys else ()


def holder(key: str, own: Mapping[str, str]) -> str:
    """The name of the action that has *key* now, or ""."""
    return next((name for name, keys in effective_keys(own).items() if key in keys), "")
