"""Checks the lines of a recording and gathers them, person by person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import RecordError, is_plain
from poseapp.core.json_files import shortened
from poseapp.core.skeleton import Skeleton

NOT_FITTED = [1.0, 0.0, 0.0]  # a frame of the size of the video
MOST_EXACT = 1 << 53  # larger whole numbers are not exact in the formats that have only floating-point numbers


@dataclass
class GatheredPerson:
    """One person's values, an entry for each frame in which the person is; see ``PersonTrack``."""

    rows: list[int] = field(default_factory=list)
    xy: list[NDArray[np.float64]] = field(default_factory=list)
    score: list[NDArray[np.float64]] = field(default_factory=list)
    person_score: list[float] = field(default_factory=list)
    smoothed: list[NDArray[np.float64]] = field(default_factory=list)
    predicted: list[bool] = field(default_factory=list)


class PartBuilder:
    """Gathers lines of ``keypoints.jsonl`` that have the joints of *skeleton*.

    *where* begins every error; *before* are number and time of the frame that these lines follow. After an error nothing of its
    line is in here.
    """

    def __init__(self, skeleton: Skeleton, where: str, before: tuple[int, float] = (-1, 0.0)) -> None:
        self.skeleton = skeleton
        self._where = where
        self._last = before
        self.frames: list[int] = []
        self.times: list[float] = []
        self.sizes: list[tuple[int, int]] = []
        self.files: list[str] = []
        self.fitted: list[list[float]] = []
        self.locked: list[int] = []
        self.people: dict[int, GatheredPerson] = {}

    @property
    def last(self) -> tuple[int, float]:
        """Number and time of the last frame."""
        return (self.frames[-1], self.times[-1]) if self.frames else self._last

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line. Raises RecordError where something in it is not as ``live/recording/keypoints.py`` describes it."""
        number, t, file = line.get("frame"), line.get("t"), line.get("file", "")
        last_number, last_t = self.last
        if not _whole(number) or not last_number < number:
            raise self._wrong(number, f"frame: expected a whole number above {last_number}, got {shortened(number)}")
        if not _finite(t) or t < last_t:
            raise self._wrong(number, f"t: expected a time from {last_t} s on, got {shortened(t)}")
        if not isinstance(file, str) or not is_plain(file):
            raise self._wrong(number, f"file: expected a line of plain text, got {shortened(file)}")
        size = line.get("size")
        if not isinstance(size, list) or len(size) != 2 or not all(_whole(side) and side > 0 for side in size):
            raise self._wrong(number, f"size: expected width and height, got {shortened(size)}")
        fitted = line.get("fitted", NOT_FITTED)
        if not isinstance(fitted, list) or len(fitted) != 3 or not all(map(_finite, fitted)) or not fitted[0] > 0:
            raise self._wrong(number, f"fitted: expected scale, x and y, got {shortened(fitted)}")
        checked = [self._person(person, number) for person in line["people"]]
        ids = [one[0] for one in checked]
        if len(set(ids)) != len(ids):
            raise self._wrong(number, f"people: expected each id once, got {shortened(ids)}")
        row = len(self.frames)
        self.frames.append(number)
        self.times.append(float(t))
        self.sizes.append((size[0], size[1]))
        self.files.append(file)
        self.fitted.append(fitted)
        locked = line.get("locked")
        self.locked.append(locked if _whole(locked) else 0)
        for one, person_score, keypoints, smoothed, predicted in checked:
            person = self.people.setdefault(one, GatheredPerson())
            person.rows.append(row)
            person.xy.append(keypoints[:, :2])
            person.score.append(keypoints[:, 2])
            person.person_score.append(person_score)
            person.smoothed.append(smoothed)
            person.predicted.append(predicted)

    def _wrong(self, number: Any, what: str) -> RecordError:
        return RecordError(f"{self._where}, frame {shortened(number)}: {what}. Copy the recording again.")

    def _person(
        self, person: Mapping[str, Any], number: int
    ) -> tuple[int, float, NDArray[np.float64], NDArray[np.float64], bool]:
        """The id, score, keypoints (K, 3), smoothed joints (K, 2) and whether they are predicted."""
        one, score, k = person.get("id"), person.get("score"), self.skeleton.k
        if not _whole(one):
            raise self._wrong(number, f"id: expected a whole number from 0 on, got {shortened(one)}")
        if not _finite(score):
            raise self._wrong(number, f"score: expected a number, got {shortened(score)}")
        keypoints = _joints(person.get("keypoints"), k, 3)
        if keypoints is None or np.isnan(keypoints[:, 2]).any():
            raise self._wrong(number, f"keypoints: expected {k} × [x, y, score], got {_described(person.get('keypoints'))}")
        smoothed = np.full((k, 2), np.nan)
        if "smoothed" in person:
            given = _joints(person["smoothed"], k, 2)
            if given is None:
                raise self._wrong(number, f"smoothed: expected {k} × [x, y], got {_described(person['smoothed'])}")
            smoothed = given
        return one, float(score), keypoints, smoothed, person.get("predicted") is True


def _joints(value: Any, k: int, width: int) -> NDArray[np.float64] | None:
    """*value* as (k, width) numbers, a place of which a half is missing as NaN; None where it is something else."""
    if not isinstance(value, list) or len(value) != k:
        return None
    if not all(isinstance(row, list) and len(row) == width and all(x is None or _finite(x) for x in row) for row in value):
        return None
    out: NDArray[np.float64] = np.array(value, np.float64).reshape(k, width)
    out[np.isnan(out[:, :2]).any(axis=1), :2] = np.nan
    return out


def _described(value: Any) -> str:
    return f"{len(value)} entries, {shortened(value)}" if isinstance(value, list) else shortened(value)


def _whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < MOST_EXACT


def _finite(value: Any) -> TypeGuard[float]:
    return type(value) is int or (type(value) is float and math.isfinite(value))
