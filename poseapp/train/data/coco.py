"""The one reader of annotation files in COCO's format, as many tools write them. Needs no torch.

Check, training, evaluation and all else see the same people: what the file means in one normal form, and a list of what is wrong
with it. What makes training refuse a file is in ``REFUSED``; everything else is left out or mended in the same way for all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError, printable
from poseapp.core.geometry import box_around
from poseapp.core.joint_names import joint_names
from poseapp.core.json_files import LARGE_FILE, read_json, shortened
from poseapp.core.skeleton import COCO_17, SKELETONS
from poseapp.train.data.image_names import ImageMatch, PictureFolder, last_part

BODY_SHARE = 0.53  # of a box, as COCO's areas have it on average: for sets without areas
FARTHEST_PX = 1e6  # what is farther off is no place in a picture
FEW = 5  # labelled joints that most recipes ask for
MERE_SHARE_PX = 2.0  # a person within so many px: the labels are shares of the picture's size

FloatArray = NDArray[np.float64]
KNOWN_JOINTS = frozenset(name for skeleton in SKELETONS.values() for name in skeleton.keypoints)

# Each finding, and what training does about it.
REFUSED = {
    "format": "not COCO's keypoint format, nor MPII's or LSP's",
    "missing picture": "the file is not there",
    "ambiguous picture": "several files may be meant, or several pictures mean one file",
    "keypoint count": "another number of keypoints than the category names",
    "unknown picture": "an annotation of a picture that the file does not list",
    "weights": "keypoint_weights that are not a number for each keypoint",
    "nobody": "no person who can be trained on",
}
SKIPPED = {
    "unreadable picture": "damaged, empty or cut short: its people get no weight",
    "other category": "not a person: left out",
    "no labels": "no labelled joint: left out",
    "shares": "coordinates from 0 to 1, expected px: they count as not labelled",
    "empty box": "a box without area: left out",
    "crowd": "a crowd: left out",
    "few labels": f"fewer than {FEW} labelled joints: left out by most recipes",
    "unknown joint": "joint names that no recipe has: left out",
}
NOTED = {
    "not a number": "a box or a keypoint that is not a finite number: drawn about the joints, or not labelled",
    "zero": "a labelled joint at (0, 0), where converters put what is not labelled: counts as not labelled",
    "wrong size": "the picture has another size than its entry says",
    "joint outside": "a labelled joint outside the picture",
    "box outside": "a box that does not touch the picture",
    "no box": "no box: drawn about the joints",
    "repeated id": "two annotations of one id",
    "no area": f"no area: {BODY_SHARE:g} × the box's is taken",
    "absent picture": "the file is not there, and nobody in it can be trained on",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, a key of the tables above, and what it is about."""

    kind: str
    about: str


@dataclass(frozen=True, eq=False)
class PictureEntry:
    """A picture of the file. ``id`` is a whole number, also where the file's own ids are text; ``hw`` the size that it says."""

    id: int
    name: str
    path: Path
    there: bool
    hw: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class PersonEntry:
    """A person or a crowd of the file.

    ``joints`` (k, 3) x, y in px as the file counts them, NaN where not labelled, and v (0, 1 or 2), are called ``names``;
    ``box`` (4,) x, y, width, height in px where an integer is a pixel's centre, None where nothing tells it;
    ``area`` in px²; ``weights`` (k,) how much each label counts, None without any; ``index`` is the place in "annotations".
    """

    id: int
    picture: PictureEntry
    names: tuple[str, ...]
    joints: FloatArray
    box: FloatArray | None
    area: float
    crowd: bool
    weights: FloatArray | None
    index: int

    @property
    def title(self) -> str:
        """As reports call it."""
        return f"annotation {self.id}"


@dataclass(frozen=True, eq=False)
class Annotations:
    """A file in its normal form. ``names`` are the joints of people; ``findings`` what is wrong, in the order of the file."""

    where: str
    names: tuple[str, ...]
    pictures: tuple[PictureEntry, ...]
    people: tuple[PersonEntry, ...]
    findings: tuple[Finding, ...]
    by_key: Mapping[str, PictureEntry]
    content: Mapping[str, Any]

    def picture(self, given: Any) -> PictureEntry | None:
        """The picture that the file, or another one about it, calls *given*."""
        return self.by_key.get(_key(given) or "")

    def require(self) -> Annotations:
        """These annotations; DataError where something in them makes training refuse the file."""
        wrong = [finding for finding in self.findings if finding.kind in REFUSED]
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise DataError(
                f"{self.where}: not a COCO keypoint file to work with: {wrong[0].about}: {REFUSED[wrong[0].kind]}{more}. "
                "`poseapp train --check` lists all."
            )
        return self


def read_annotations(path: Path, images: Path | None) -> Annotations:
    """The annotations in the file *path*, with the pictures in the folder *images* (None: nobody asks where they are).

    Raises DataError on a file that cannot be read or is none of COCO's format; all else is among the findings.
    """
    return parse_annotations(load_json(path), str(path), images)


def load_json(path: Path) -> Any:
    """The content of an annotation file; DataError when it cannot be read."""

    def wrong(what: str) -> DataError:
        return DataError(f"{path}: {what}. Give a COCO keypoint file.")

    try:
        return read_json(path, wrong, LARGE_FILE, any_encoding=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give the path of a COCO keypoint file.") from None


def parse_annotations(content: Any, where: str, images: Path | None) -> Annotations:
    """The annotations in *content*, which was read from *where*. See ``read_annotations``."""
    if not isinstance(content, dict):
        raise DataError(f"{where}: not a COCO keypoint file (expected an object, got {shortened(content)}).")
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            raise DataError(f'{where}: not a COCO keypoint file (expected a list "{key}", got {shortened(content.get(key))}).')
    findings: list[Finding] = []
    pictures = _read_pictures(content["images"], images, findings)
    categories = _Categories.of(content.get("categories"))
    names = categories.names
    unknown = [name for name in names if name not in KNOWN_JOINTS]
    if unknown:
        findings.append(Finding("unknown joint", ", ".join(map(printable, unknown[:3]))))
    reader = _PersonReader(pictures, categories, content["annotations"], findings)
    people = tuple(person for i, entry in enumerate(content["annotations"]) if (person := reader.read(i, entry)) is not None)
    once = tuple({id(picture): picture for picture in pictures.values()}.values())
    return Annotations(where, names, once, people, tuple(findings), pictures, content)


# --- pictures -------------------------------------------------------------------------------------------------


def _read_pictures(entries: Sequence[Any], images: Path | None, findings: list[Finding]) -> dict[str, PictureEntry]:
    """The pictures by the key of their id."""
    folder = PictureFolder(images) if images is not None else None
    numbers = _numbers([entry.get("id") if isinstance(entry, dict) else None for entry in entries], unique=True)
    out: dict[str, PictureEntry] = {}
    by_end: dict[Path, str] = {}  # files found by the end of a name, and that name
    for number, entry in zip(numbers, entries, strict=True):
        key = _key(entry.get("id")) if isinstance(entry, dict) else None
        if key is None:
            findings.append(Finding("format", f"a picture without an id, {shortened(entry)}"))
            continue
        name = next((entry[k] for k in ("file_name", "path", "coco_url") if isinstance(entry.get(k), str) and entry[k]), "")
        if key in out:
            if out[key].name != name:
                findings.append(Finding("format", f"two pictures of the id {key[:60]}"))
            continue
        found = folder.find(name) if folder is not None else ImageMatch(Path(last_part(name)), there=True)
        out[key] = PictureEntry(number, name, found.path, found.there, _size(entry))
        if found.instead:
            findings.append(Finding("ambiguous picture", f"{name[-80:]} may be {' or '.join(map(str, found.instead))}"))
        elif folder is not None and found.there:
            other = by_end.setdefault(found.path, name)
            if other != name:
                findings.append(Finding("ambiguous picture", f"{found.path} is both {other[-80:]} and {name[-80:]}"))
    return out


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = _number(entry.get("height")), _number(entry.get("width"))
    known = 0 < height < FARTHEST_PX and 0 < width < FARTHEST_PX
    return (int(height), int(width)) if known else None


# --- ids and numbers ------------------------------------------------------------------------------------------


def _key(given: Any) -> str | None:
    """An id as text, the same for 7, 7.0 and "7"; None for what is none."""
    if isinstance(given, bool) or given is None:
        return None
    if isinstance(given, float):
        return str(int(given)) if math.isfinite(given) and given.is_integer() else str(given)
    if isinstance(given, (int, str)):
        return str(given).strip() or None
    return None


def _numbers(given: Sequence[Any], unique: bool) -> list[int]:
    """Ids as whole numbers: as given, where all of them are such (and *unique*, each another one), else by place, from 1."""
    keys = [_key(one) for one in given]
    numbers = [int(key) for key in keys if key is not None and re.fullmatch(r"-?\d{1,18}", key)]
    whole = len(numbers) == len(given) and (not unique or len(set(numbers)) == len(set(keys)))
    return numbers if whole else list(range(1, len(given) + 1))


def _number(value: Any) -> float:
    """*value* as a number, also from text; NaN for what is none."""
    try:
        return float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return math.nan


# --- people ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Categories:
    """Joint names of the categories of people by the key of their id, and the keys of all others.

    People are the category called person, or else the one with the most known joints; and others with the very same joints,
    such as goalkeepers beside players. Where no category has joints, they are COCO's.
    """

    people: Mapping[str, tuple[str, ...]]
    others: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The joints of people whose category the file does not list."""
        return next(iter(self.people.values()), COCO_17.keypoints)

    def names_of(self, given: Any) -> tuple[str, ...] | None:
        """The joints of a person of the category *given*; None where that is something else than a person."""
        key = _key(given) or ""
        return self.people.get(key) or (None if key in self.others else self.names)

    @classmethod
    def of(cls, given: Any) -> _Categories:
        """The categories in a file's list of them."""
        listed: dict[str, tuple[bool, tuple[str, ...]]] = {}
        for n, category in enumerate(given if isinstance(given, list) else ()):
            if isinstance(category, dict):
                joints = category.get("keypoints")
                names = joint_names([str(name) for name in joints]) if isinstance(joints, list) else ()
                is_person = str(category.get("name", "")).strip().lower() == "person"
                listed.setdefault(_key(category.get("id")) or f"category {n}", (is_person, names))
        with_joints = [one for one in listed.values() if one[1]]
        if with_joints:
            best = max(with_joints, key=lambda one: (one[0], len(KNOWN_JOINTS.intersection(one[1]))))[1]
            people = {key: names for key, (_, names) in listed.items() if names and set(names) == set(best)}
            people = dict(sorted(people.items(), key=lambda item: item[1] != best))
        else:
            called_so = any(is_person for is_person, _ in listed.values())
            people = {key: COCO_17.keypoints for key, (is_person, _) in listed.items() if is_person or not called_so}
        return cls(people, frozenset(listed.keys() - people.keys()))


class _PersonReader:
    """Reads annotations one by one, and notes what is wrong with them."""

    def __init__(
        self,
        pictures: Mapping[str, PictureEntry],
        categories: _Categories,
        entries: Sequence[Any],
        findings: list[Finding],
    ) -> None:
        self._pictures, self._categories, self._findings = pictures, categories, findings
        self._numbers = _numbers([entry.get("id") if isinstance(entry, dict) else None for entry in entries], unique=False)
        self._seen: set[int] = set()

    def read(self, index: int, entry: Any) -> PersonEntry | None:
        """The person or crowd in the annotation *entry*; None for what is neither, or is wrong."""
        if not isinstance(entry, dict):
            self._note("format", f"an annotation that is not an object, {shortened(entry)}")
            return None
        number = self._numbers[index]
        name = f"annotation {number}"
        names = self._categories.names_of(entry.get("category_id"))
        picture = self._pictures.get(_key(entry.get("image_id")) or "")
        if names is None or picture is None:
            self._note("other category" if names is None else "unknown picture", name)
            return None
        crowd = _number(entry.get("iscrowd", 0)) > 0
        joints = self._joints(entry, names, name, crowd)
        if joints is None:
            return None
        weights = self._weights(entry, names, name)
        if number in self._seen:
            self._note("repeated id", name)
        self._seen.add(number)
        if crowd:
            self._note("crowd", name)
        box = self._box(entry, joints, name)
        area = _number(entry.get("area"))
        if not 0 < area < FARTHEST_PX**2:
            if box is not None and not crowd and (joints[:, 2] > 0).any() and box[2:].min() > 1:
                self._note("no area", name)
            area = float(BODY_SHARE * box[2] * box[3]) if box is not None else 0.0
        return PersonEntry(number, picture, names, joints, box, area, crowd, weights, index)

    def _note(self, kind: str, about: str) -> None:
        self._findings.append(Finding(kind, about))

    def _joints(self, entry: Mapping[str, Any], names: tuple[str, ...], name: str, crowd: bool) -> FloatArray | None:
        """The labels (k, 3) of an annotation; None, with a finding, where they cannot be told."""
        given = entry.get("keypoints")
        none = np.full((len(names), 3), np.nan)
        none[:, 2] = 0
        if crowd or given is None or (isinstance(given, (list, str)) and not given):
            return none
        try:
            joints = np.asarray(given, np.float64)
        except (TypeError, ValueError, OverflowError):
            self._note("keypoint count", f"{name}: keypoints that are not numbers")
            return None
        if joints.size != 3 * len(names):
            self._note("keypoint count", f"{name}: expected {3 * len(names)} keypoint numbers, got {joints.size}")
            return None
        joints = joints.reshape(-1, 3).copy()
        known = joints[:, 2] > 0  # False for NaN
        places = (np.abs(joints[:, :2]) <= FARTHEST_PX).all(axis=1)
        if (known & ~places).any():
            self._note("not a number", name)
        zero = known & (joints[:, :2] == 0).all(axis=1)
        if zero.any():
            self._note("zero", f"{name}: {np.count_nonzero(zero)}")
        known &= places & ~zero
        if known.any() and bool((np.abs(joints[known, :2]) <= MERE_SHARE_PX).all()):
            self._note("shares", name)
            return none
        joints[:, 2] = np.where(known, np.where(joints[:, 2] >= 2, 2, 1), 0)
        joints[~known, :2] = np.nan
        return joints

    def _box(self, entry: Mapping[str, Any], joints: FloatArray, name: str) -> FloatArray | None:
        """The box of an annotation; the one about its labelled *joints*, a tenth wider on each side, where it gives none."""
        given = entry.get("bbox")
        kind = "no box"
        if isinstance(given, (list, tuple)) and len(given) == 4:
            box = np.array([_number(value) for value in given])
            if (np.abs(box) <= FARTHEST_PX).all():
                # COCO's boxes count a pixel's left edge as its coordinate; here an integer is its centre.
                moved: FloatArray = box - np.array([0.5, 0.5, 0, 0])
                return moved
            kind = "not a number"
        known = joints[joints[:, 2] > 0, :2]
        if len(known):
            self._note(kind, name)
        if len(known) < 2:
            return None
        return box_around(known, margin=0.1)

    def _weights(self, entry: Mapping[str, Any], names: tuple[str, ...], name: str) -> FloatArray | None:
        if entry.get("keypoint_weights") is None:
            return None
        try:
            weights = np.asarray(entry["keypoint_weights"], np.float64)
        except (TypeError, ValueError, OverflowError):
            weights = np.empty(0)
        if weights.shape != (len(names),) or not ((weights >= 0) & (weights <= FARTHEST_PX)).all():
            self._note("weights", f"{name}: keypoint_weights: expected {len(names)} numbers, none below 0")
            return None
        return weights
