"""Reads ``keypoints.jsonl`` as this app writes it, ten times as fast as line by line: all numbers of many lines at once.

Lines that differ in their numbers alone have the same *form*. The first line of each form is read as JSON, with the place of each
number in the line in place of the number; so it says where what is. Whatever is not as expected is left to ``part_builder.py``,
which knows what to say about it.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.live.recording import Segment
from poseapp.review.part_builder import MOST_EXACT, NOT_FITTED
from poseapp.review.recorded_part import Floats, PersonTrack, RecordedPart

_BLOCK = 8 << 20  # bytes of lines that are read at once
_MOST_FORMS = 1000  # of one block; so many people in so many ways are rare, and slow here
_NULL = b"-77777777777"  # stands for null while numbers are read; larger numbers are left to the other reader
_AS_NUMBERS = ((b"null", _NULL), (b"true", b"1"), (b"[]", b"[0]"))  # so that there is a number between any two commas
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_DIGITS = b"0123456789.-"
# All that may stand between the numbers of a line. Strings with other letters, as the names of files, may not.
_KEYS = ("frame", "t", "size", "fitted", "locked", "people", "id", "score", "keypoints", "smoothed", "predicted")
_FORM = re.compile(rb'(?:[\[\]{},:]|"(?:' + "|".join(_KEYS).encode() + rb')")+')
_NOT_NUMBERS = bytes(set(range(256)) - set(_DIGITS + b","))


@dataclass(frozen=True, kw_only=True)
class _Person:
    """Where the numbers of a person are in a line."""

    id: int
    score: int
    keypoints: NDArray[np.intp]  # (K, 3)
    smoothed: NDArray[np.intp] | None  # (K, 2)
    predicted: int | None  # where it says so


@dataclass(frozen=True, kw_only=True)
class _Form:
    """Where the numbers of a line are; ``width`` is how many there are."""

    width: int
    frame: int
    t: int
    size: tuple[int, int]
    fitted: NDArray[np.intp] | None  # (3,)
    locked: int | None
    people: tuple[_Person, ...]


@dataclass
class _Columns:
    """Arrays of some lines, to be joined: of each frame, and of each person in a frame."""

    frames: list[Floats]
    people: list[Floats]
    xy: list[Floats]
    smoothed: list[Floats]


class _UnusualError(Exception):
    """Something is not as the app writes it."""


def read_quickly(segment: Segment, before: tuple[int, float]) -> RecordedPart | None:
    """The frames of *segment*, which follow the frame *before*, its number and time.

    None where a line is not as the app writes it.
    """
    if segment.skeleton is None or segment.span is not None:
        return None
    columns = _Columns(frames=[], people=[], xy=[], smoothed=[])
    rows = 0
    try:
        with segment.keypoints.open("rb") as file:
            while lines := file.readlines(_BLOCK):
                _read_block(lines, segment.skeleton, rows, columns)
                rows += len(lines)
        return _part(columns, segment.skeleton, before)
    except (OSError, _UnusualError):
        return None


def _read_block(lines: Sequence[bytes], skeleton: Skeleton, row: int, out: _Columns) -> None:
    """Add *lines*, the first of which is frame *row* of the segment, to *out*."""
    if any(_NULL in line for line in lines):
        raise _UnusualError
    for text, number in _AS_NUMBERS:
        lines = [line.replace(text, number) for line in lines]
    rows_of: dict[bytes, list[int]] = {}
    for at, line in enumerate(lines):
        rows_of.setdefault(line.translate(None, _DIGITS), []).append(at)
    if len(rows_of) > _MOST_FORMS:
        raise _UnusualError
    for form_text, places in rows_of.items():
        form = _form(form_text, lines[places[0]], skeleton)
        its = b",".join([lines[at] for at in places]).translate(None, _NOT_NUMBERS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                numbers = np.fromstring(its, np.float64, sep=",")
            except (ValueError, DeprecationWarning):  # such as two commas without a number between them
                raise _UnusualError from None
        if numbers.size != form.width * len(places) or not (np.abs(numbers) <= -float(_NULL)).all():
            raise _UnusualError
        values = numbers.reshape(-1, form.width)
        values[values == float(_NULL)] = np.nan
        _take(values, np.array(places) + row, form, out)


def _form(text: bytes, line: bytes, skeleton: Skeleton) -> _Form:
    """The form of *line*, whose *text* without digits is that of all lines of the form."""
    if not text.endswith(b"\n") or not _FORM.fullmatch(text[:-1]):
        raise _UnusualError
    width = 0

    def place(_number: re.Match[bytes]) -> bytes:
        nonlocal width
        width += 1
        return str(width - 1).encode()

    with_places = _NUMBER.sub(place, line)
    try:
        content = json.loads(with_places, object_pairs_hook=_once)
        people = content.pop("people")
        people = tuple(_person(one, skeleton.k) for one in people) if not _is_empty(people) else ()
        frame, t, size, fitted, locked = (content.pop(key, None) for key in ("frame", "t", "size", "fitted", "locked"))
        if content or not all(type(value) is int for value in (frame, t, *size)) or len(size) != 2:
            raise _UnusualError
        return _Form(
            width=width,
            frame=frame,
            t=t,
            size=(size[0], size[1]),
            fitted=_places(fitted, (3,)) if fitted is not None else None,
            locked=locked if type(locked) is int else None,
            people=people,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _UnusualError from None


def _is_empty(people: Any) -> bool:
    """Whether *people* is a list with a number, which stands for an empty one."""
    return isinstance(people, list) and len(people) == 1 and type(people[0]) is int


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise _UnusualError
    return out


def _person(content: dict[str, Any], k: int) -> _Person:
    one, score, keypoints = (content.pop(key) for key in ("id", "score", "keypoints"))
    smoothed, predicted = content.pop("smoothed", None), content.pop("predicted", None)
    if content or type(one) is not int or type(score) is not int or not (predicted is None or type(predicted) is int):
        raise _UnusualError
    return _Person(
        id=one,
        score=score,
        keypoints=_places(keypoints, (k, 3)),
        smoothed=_places(smoothed, (k, 2)) if smoothed is not None else None,
        predicted=predicted,
    )


def _places(value: Any, shape: tuple[int, ...]) -> NDArray[np.intp]:
    places = np.array(value)
    if places.shape != shape or places.dtype.kind != "i":
        raise _UnusualError
    return places.astype(np.intp)


def _take(values: Floats, rows: NDArray[np.intp], form: _Form, out: _Columns) -> None:
    """Add the *values* (L, width) of the frames *rows* (L,) of one *form* to *out*."""
    n = len(rows)
    fitted = values[:, form.fitted] if form.fitted is not None else np.tile(NOT_FITTED, (n, 1))
    locked = values[:, form.locked] if form.locked is not None else np.zeros(n)
    out.frames.append(np.column_stack([rows, values[:, [form.frame, form.t, *form.size]], fitted, locked]))
    for one in form.people:
        predicted = values[:, one.predicted] if one.predicted is not None else np.zeros(n)
        out.people.append(np.column_stack([rows, values[:, [one.id, one.score]], predicted]))
        out.xy.append(values[:, one.keypoints])
        empty = np.full((n, len(one.keypoints), 2), np.nan)
        out.smoothed.append(values[:, one.smoothed] if one.smoothed is not None else empty)


def _part(columns: _Columns, skeleton: Skeleton, before: tuple[int, float]) -> RecordedPart:
    """The part with all that is in *columns*; raises _UnusualError where the numbers do not fit together."""
    table = np.concatenate(columns.frames) if columns.frames else np.empty((0, 9))
    table = table[np.argsort(table[:, 0], kind="stable")]
    frames, times, sizes, fitted, locked = table[:, 1], table[:, 2], table[:, 3:5], table[:, 5:8], table[:, 8]
    _need(np.diff(frames, prepend=before[0]) > 0, np.diff(times, prepend=before[1]) >= 0, sizes > 0, fitted[:, 0] > 0)
    _need(*(_whole(column) for column in (frames, sizes, locked)), np.isfinite(fitted))
    return RecordedPart(
        skeleton=skeleton,
        frames=frames.astype(np.int64),
        times=times.copy(),
        sizes=sizes.astype(np.int64),
        files=("",) * len(frames),
        fitted=fitted.copy(),
        locked=locked.astype(np.int64),
        people=_people(columns),
    )


def _people(columns: _Columns) -> dict[int, PersonTrack]:
    """Everybody by id, in order."""
    if not columns.people:
        return {}
    people, xy, smoothed = (np.concatenate(some) for some in (columns.people, columns.xy, columns.smoothed))
    ids = people[:, 1]
    _need(_whole(ids), np.isin(people[:, 3], (0, 1)), np.isfinite(people), np.isfinite(xy[..., 2]))
    order = np.lexsort((people[:, 0], ids))
    people, ids, xy, smoothed = people[order], ids[order], xy[order], smoothed[order]
    rows = people[:, 0].astype(np.intp)
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    for places in (xy, smoothed):  # a place of which a half is missing
        places[np.isnan(places[..., :2]).any(axis=-1), :2] = np.nan
    found = {}
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        its = slice(start, end)
        _need(np.diff(rows[its]) > 0)
        found[int(ids[start])] = PersonTrack(
            id=int(ids[start]),
            rows=rows[its].copy(),
            xy=xy[its, :, :2].copy(),
            score=xy[its, :, 2].copy(),
            person_score=people[its, 2].copy(),
            smoothed=smoothed[its].copy(),
            predicted=people[its, 3] != 0,
        )
    return found


def _whole(values: Floats) -> NDArray[np.bool_]:
    """Which *values* are whole numbers from 0 on that are exact in every format."""
    whole: NDArray[np.bool_] = (values >= 0) & (values < MOST_EXACT) & (values == np.floor(values))
    return whole


def _need(*conditions: NDArray[np.bool_]) -> None:
    if not all(condition.all() for condition in conditions):
        raise _UnusualError
