"""The file of the settings: plain values in JSON, and nothing in it can run."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

from poseapp.core.files import atomic_write

log = logging.getLogger(__name__)

Value = str | bool | int | float
MOST_BYTES = 1 << 20
LONGEST_TEXT = 1 << 15  # longer than any path, and than the layout of a window
# Of the file that versions before 0.1.0 left to Qt: names, numbers and switches alone, never what Qt would unpickle.
_OLD_LINE = re.compile(r"(\w+)=([\w.+-]{1,64})")
_OLD_SECTIONS = ("window", "source", "model", "people", "view", "recording")


class SettingsFile:
    """Values by key. A file that cannot be read counts as empty and is kept aside, and ``problem`` says so in one line.

    Several windows may have the same file: each writes what was set in it, and leaves the rest as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem = ""
        self._values = self._read_or_put_aside()
        self._set: dict[str, Value] = {}

    def value(self, key: str) -> Value | None:
        """What is set for *key*, or None."""
        return self._set.get(key, self._values.get(key))

    def set_value(self, key: str, value: Value) -> None:
        """Set *key*; ``save`` writes it."""
        self._set[key] = value

    def save(self) -> None:
        """Write what was set to the disk, whole, readable by its owner alone. A disk that refuses is not worth a word."""
        if not self._set:
            return
        try:
            values = {**_read(self._path), **self._set} if self._path.exists() else {**self._values, **self._set}
        except (OSError, ValueError):
            values = {**self._values, **self._set}
        text = json.dumps(values, indent=2, sort_keys=True) + "\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_write(self._path, text.encode())
        except OSError as error:
            log.warning("%s: cannot be written (%s)", self._path, error.strerror)
            return
        self._values, self._set = values, {}

    def _read_or_put_aside(self) -> dict[str, Value]:
        try:
            return _read(self._path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.problem = f"{self._path}: cannot be read ({error.strerror}). The default settings are used."
            return {}
        except ValueError as error:
            self.problem = (
                f"{self._path}: {error}. The default settings are used; the old file is kept as {self._path.name}.broken."
            )
        try:
            os.replace(self._path, self._path.with_name(f"{self._path.name}.broken"))
        except OSError as error:
            self.problem = f"{self._path}: cannot be read or put aside ({error.strerror}). The default settings are used."
        return {}


def _read(path: Path) -> dict[str, Value]:
    """The values in the file at *path*. Raises OSError, and ValueError where it is not a file of settings."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes")
    try:
        values = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("is damaged") from None
    if not isinstance(values, dict):
        raise ValueError("is damaged")
    return {key: value for key, value in values.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= LONGEST_TEXT)


def take_over(old: Path, new: Path) -> None:
    """Bring what is harmless in Qt's settings file *old* to *new*, where that is not there yet, and remove *old*.

    It may hold the password of a camera, for everybody to read.
    """
    if new.exists() or not old.is_file():
        return
    try:
        with old.open("rb") as file:
            lines = file.read(MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return
    settings, section = SettingsFile(new), ""
    for line in lines:
        if line.startswith("["):
            section = line.strip("[] ")
        elif (match := _OLD_LINE.fullmatch(line)) and section in _OLD_SECTIONS:
            settings.set_value(f"{section}/{match[1]}", {"true": True, "false": False}.get(match[2], match[2]))
    settings.save()
    try:
        old.unlink()
    except OSError as error:
        log.warning("%s: cannot be removed (%s)", old, error.strerror)
