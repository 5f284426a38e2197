"""A checked reader of MATLAB files of level 5, in which MPII and LSP are published.

Written here since reading a damaged one with SciPy can end the whole process. Every size is compared with what is there before
anything is made of it. Format: MathWorks, "MAT-File Format", 2000 to 2023, chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from poseapp.core.errors import DataError

MOST_BYTES = 1 << 29  # of the file, and of what its compressed parts hold
MOST_VALUES = 10_000_000  # arrays and structures in it; MPII has four million
DEEPEST = 24  # structures in structures; MPII has 7
_MATRIX, _COMPRESSED = 14, 15
# Types of stored numbers, and classes of arrays that may be made of them.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _STRUCT, _CHAR = 1, 2, 4


class _DamagedError(ValueError):
    """The file is not what it says it is."""


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file by name; DataError when it cannot be read.

    A structure is an object with attributes, an array of them or a cell array one of dtype object; a single value stands for
    an array of one, and dimensions of 1 are left out.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give the file as published.") from None
    try:
        if len(content) > MOST_BYTES:
            raise _DamagedError(f"it has more than {MOST_BYTES >> 20} MiB")
        return _variables(content)
    except (_DamagedError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}). Fetch it again.") from None


def _variables(content: bytes) -> dict[str, Any]:
    mark = content[126:128]
    if len(content) < 128 or mark not in (b"IM", b"MI"):
        raise _DamagedError("no MATLAB file of level 5")
    order = "<" if mark == b"IM" else ">"
    out: dict[str, Any] = {}
    reader = _Reader(order)
    elements = _Elements(content[128:], order)
    held = 0
    while elements.more():
        kind, data = elements.next()
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            inner = _Elements(unpacker.decompress(data, MOST_BYTES - held + 1), order)
            held += len(inner.content)
            if held > MOST_BYTES:
                raise _DamagedError(f"its compressed parts hold more than {MOST_BYTES >> 20} MiB")
            kind, data = inner.next()
        if kind == _MATRIX:
            name, value = reader.matrix(data, 0)
            out[name] = value
    return out


class _Elements:
    """The data elements that follow each other in *content*."""

    def __init__(self, content: bytes, order: str) -> None:
        self.content, self.order, self.at = content, order, 0

    def more(self) -> bool:
        """Whether there is another one; less than a tag is padding."""
        return len(self.content) - self.at >= 8

    def next(self) -> tuple[int, bytes]:
        """The type and the bytes of the next element."""
        if not self.more():
            raise _DamagedError("it is cut short")
        word, size = struct.unpack_from(f"{self.order}II", self.content, self.at)
        kind, begin = word, self.at + 8
        if word >> 16:  # small: type, size and up to four bytes in eight
            kind, size, begin = word & 0xFFFF, word >> 16, self.at + 4
            if size > 4:
                raise _DamagedError("a small part is too large")
            self.at += 8
        else:
            padding = 0 if kind == _COMPRESSED else -size % 8
            self.at = begin + size + padding
        if begin + size > len(self.content):
            raise _DamagedError("it is cut short")
        return kind, self.content[begin : begin + size]

    def numbers(self) -> np.ndarray[Any, Any]:
        """The next element as an array of numbers, (n,)."""
        kind, data = self.next()
        if kind not in _STORED:
            raise _DamagedError(f"numbers of the unknown type {kind}")
        dtype = np.dtype(self.order + _STORED[kind])
        if len(data) % dtype.itemsize:
            raise _DamagedError("half a number")
        return np.frombuffer(data, dtype)


class _Reader:
    """Reads arrays in the byte order *order*, and counts them."""

    def __init__(self, order: str) -> None:
        self.order, self.values = order, 0

    def matrix(self, data: bytes, depth: int) -> tuple[str, Any]:
        """Name and value of an array element."""
        if depth > DEEPEST:
            raise _DamagedError("structures are nested too deep")
        self.values += 1
        if self.values > MOST_VALUES:
            raise _DamagedError(f"more than {MOST_VALUES:,} arrays")
        if not data:
            return "", np.empty(0)
        parts = _Elements(data, self.order)
        flags = parts.numbers()
        if len(flags) != 2:
            raise _DamagedError("an array without flags")
        class_, complex_ = int(flags[0]) & 0xFF, bool(int(flags[0]) & 0x800)
        shape = tuple(int(side) for side in parts.numbers())
        count = math.prod(shape)
        if not 2 <= len(shape) <= 8 or min(shape) < 0:
            raise _DamagedError(f"an array of the shape {shape[:8]}")
        name = parts.next()[1].decode("latin-1")
        if class_ == _CHAR:
            return name, _text(parts, shape, count)
        if class_ in (_CELL, _STRUCT):
            # Every one of them takes a tag of eight bytes.
            fields = _field_names(parts) if class_ == _STRUCT else [""]
            if count * len(fields) > len(data) // 8:
                raise _DamagedError(f"an array of the shape {shape[:8]} in {len(data)} bytes")
            values = [self._one(parts, fields, class_, depth) for _ in range(count)]
            array = np.empty(count, object)
            array[:] = values
            return name, _squeezed(array, shape)
        if class_ in _NUMERIC and not complex_:
            numbers = parts.numbers()
            if len(numbers) != count:
                raise _DamagedError(f"{len(numbers)} numbers in an array of the shape {shape[:8]}")
            with np.errstate(invalid="ignore", over="ignore"):
                return name, _squeezed(numbers.astype(_NUMERIC[class_]), shape)
        return name, None  # functions, objects, sparse arrays: no set has them

    def _one(self, parts: _Elements, fields: list[str], class_: int, depth: int) -> Any:
        """The next structure or cell of an array."""
        values = []
        for _ in fields:
            kind, data = parts.next()
            if kind != _MATRIX:
                raise _DamagedError(f"a part of the type {kind} in a structure")
            values.append(self.matrix(data, depth + 1)[1])
        return SimpleNamespace(**dict(zip(fields, values, strict=True))) if class_ == _STRUCT else values[0]


def _field_names(parts: _Elements) -> list[str]:
    lengths = parts.numbers()
    _, text = parts.next()
    if len(lengths) != 1 or not 0 < int(lengths[0]) <= 64:
        raise _DamagedError("a structure without names")
    length = int(lengths[0])
    names = [text[i : i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), length)]
    if len(set(names)) != len(names):
        raise _DamagedError("a structure with a name twice")
    return names


def _text(parts: _Elements, shape: tuple[int, ...], count: int) -> str | np.ndarray[Any, Any]:
    """A line of text, or the lines of a matrix of letters."""
    kind, data = parts.next() if parts.more() else (16, b"")
    if kind not in _TEXT:
        raise _DamagedError(f"text of the unknown type {kind}")
    codec = _TEXT[kind] if kind not in (4, 17, 18) else f"{_TEXT[kind]}-{'le' if parts.order == '<' else 'be'}"
    letters = data.decode(codec, errors="replace")
    if len(letters) != count:
        raise _DamagedError(f"{len(letters)} letters in text of the shape {shape[:8]}")
    if len(shape) != 2 or shape[0] != 1:
        rows = shape[0] if count else 0
        return np.array(["".join(letters[row::rows]) for row in range(rows)])
    return letters


def _squeezed(array: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Any:
    """*array* in its *shape*, MATLAB's columns first, without dimensions of 1; the value itself where there is only one."""
    if not array.size:
        return np.empty(0, array.dtype)
    whole = array.reshape(shape, order="F").squeeze()
    return whole.item() if whole.ndim == 0 else whole
