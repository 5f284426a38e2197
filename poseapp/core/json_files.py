"""JSON from outside: read with bounds, and taken apart by name and type."""

from __future__ import annotations

import json
import math
import os
import reprlib
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poseapp.core.errors import PoseAppError, is_plain, printable

DEEPEST = 32  # nesting of objects and lists; COCO's files have 5
LONGEST_NUMBER = 20  # digits of a whole number: Python's own grow without end
SMALL_FILE = 1 << 20  # bytes: descriptions of models, caches
LARGE_FILE = 1 << 31  # bytes: annotations

Wrong = Callable[[str], PoseAppError]
"""Makes the error for what is wrong with a file, such as "not valid JSON (…)": it adds which file, and what to do."""


def read_json(path: Path, wrong: Wrong, most_bytes: int = SMALL_FILE, any_encoding: bool = False) -> Any:
    """The content of the JSON file at *path*. Where it is wrong, raises the error that *wrong* makes of one line.

    See ``parse_json``. Raises OSError when the file cannot be read: callers say what to do then.
    """
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise wrong("expected a file, got something else")
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise wrong(f"larger than {most_bytes / 2**20:,.0f} MiB")
    return parse_json(content, wrong, any_encoding)


def parse_json(content: bytes | str, wrong: Wrong, any_encoding: bool = False) -> Any:
    """The value of the JSON text *content*: nested at most 32 deep, no key twice, no whole number of more than 20 digits.

    Bytes are UTF-8, with or without a byte-order mark. With *any_encoding* they may also be UTF-16 or UTF-32; bytes that are
    none of these are read as Windows' Western European. NaN and Infinity are allowed, because Python writes them.
    """
    text = content if isinstance(content, str) else _decoded(content, wrong, any_encoding)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        raise wrong(f"nested more than {DEEPEST} deep") from None
    except ValueError as error:
        raise wrong(f"not valid JSON ({printable(str(error))[:200]})") from None
    except MemoryError:
        raise wrong("too large for the memory") from None
    if _depth_exceeds(value, DEEPEST):
        raise wrong(f"nested more than {DEEPEST} deep")
    return value


def _decoded(content: bytes, wrong: Wrong, any_encoding: bool) -> str:
    # Python's own guess looks at marks and zero bytes.
    guesses = (json.detect_encoding(content), "utf-8-sig", "cp1252", "latin-1") if any_encoding else ("utf-8-sig",)
    for encoding in guesses:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start
    raise wrong(f"not UTF-8 text (at byte {at})")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:i]))
        raise ValueError(f"the key {shortened(twice)} stands twice in one object")
    return out


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)


def _depth_exceeds(value: Any, most: int) -> bool:
    """Whether lists and objects in *value* are nested deeper than *most*; without recursion."""
    level = [value]
    for _ in range(most + 1):
        # By type at once: lists of a hundred million numbers must not be walked one by one.
        inner = [child for parent in level if isinstance(parent, (dict, list)) for child in _containers(parent)]
        if not inner:
            return False
        level = inner
    return True


def _containers(parent: dict[str, Any] | list[Any]) -> list[Any]:
    children = parent.values() if isinstance(parent, dict) else parent
    kinds = set(map(type, children))
    return [child for child in children if isinstance(child, (dict, list))] if kinds & {dict, list} else []


def shortened(value: Any) -> str:
    """*value* as it is shown in an error: its beginning, on one line."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    return short.repr(value)


class Fields:
    """An object from a JSON file, taken apart by name and type.

    Where a value is missing or has another type, raises the error that *wrong* makes of a line, for example "stride: expected a
    whole number, got 'four'".
    """

    def __init__(self, content: Any, wrong: Wrong, name: str = "") -> None:
        self._wrong, self._name = wrong, name
        if not isinstance(content, dict):
            raise wrong(f"{f'{name}: ' if name else ''}expected an object, got {shortened(content)}")
        self._content = content

    def _take(self, key: str) -> Any:
        if key not in self._content:
            raise self._wrong(f"{self._path(key)}: missing")
        return self._content[key]

    def _path(self, key: str) -> str:
        return f"{self._name}, {key}" if self._name else key

    def expected(self, key: str, what: str, got: Any) -> PoseAppError:
        """The error for a value that is not *what* was expected."""
        return self._wrong(f"{self._path(key)}: expected {what}, got {shortened(got)}")

    def text(self, key: str) -> str:
        """Text on one line, without control characters: it may be shown anywhere."""
        value = self._take(key)
        if not isinstance(value, str) or not is_plain(value):
            raise self.expected(key, "a line of plain text", value)
        return value

    def number(self, key: str) -> float:
        """A number, which may be NaN or infinite."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.expected(key, "a number", value)
        return float(value)

    def integer(self, key: str) -> int:
        """A whole number."""
        return self._whole(key, self._take(key))

    def _whole(self, key: str, value: Any) -> int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or abs(value) >= 1 << 63:
            raise self.expected(key, "a whole number", value)
        return int(value)

    def array(self, key: str) -> list[Any]:
        """A list of anything."""
        value = self._take(key)
        if not isinstance(value, list):
            raise self.expected(key, "a list", value)
        return value

    def objects(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(value, self._wrong, f"{self._path(key)} {i + 1}") for i, value in enumerate(self.array(key))]

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(self._whole(key, value) for value in self.array(key))

    def floats(self, key: str, count: int) -> tuple[float, ...]:
        """A list of *count* finite numbers."""
        values = self.array(key)
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if len(numbers) != count or len(values) != count or not all(map(math.isfinite, numbers)):
            raise self.expected(key, f"{count} numbers", values)
        return tuple(map(float, numbers))

    def hw(self, key: str) -> tuple[int, int]:
        """Height and width."""
        values = self.array(key)
        if len(values) != 2:
            raise self.expected(key, "height and width", values)
        height, width = (self._whole(key, value) for value in values)
        return height, width

    def object(self, key: str) -> Fields:
        """An object in the object."""
        return Fields(self._take(key), self._wrong, self._path(key))

    def numbers(self, key: str) -> dict[str, float]:
        """An object whose values are all numbers."""
        inner = self.object(key)
        return {name: inner.number(name) for name in inner.names()}

    def texts(self, key: str) -> dict[str, str]:
        """An object whose values are all text."""
        inner = self.object(key)
        return {name: inner.text(name) for name in inner.names()}

    def names(self) -> tuple[str, ...]:
        """The keys of the object, which are plain text."""
        for name in self._content:
            if not is_plain(name):
                raise self.expected("a name", "a line of plain text", name)
        return tuple(self._content)

    @property
    def content(self) -> Mapping[str, Any]:
        """The object as it was read."""
        return self._content
