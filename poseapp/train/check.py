"""What is wrong with a set, named before a training starts. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError
from poseapp.train.people import BODY_SHARE, joint_names, load_json, read_image
from poseapp.train.sets import LabelledSet

FEW = 5  # labelled joints that most recipes ask for
EXAMPLES = 5  # named for each kind of finding

# Each finding, and what training does about it.
REFUSED = {
    "format": "not COCO's keypoint format, nor MPII's or LSP's",
    "missing picture": "the file is not there",
    "keypoint count": "another number of keypoints than the category names",
    "unknown picture": "an annotation of a picture that the file does not list",
    "not a number": "a box or a keypoint that is not a finite number",
    "nobody": "no person who can be trained on",
}
SKIPPED = {
    "unreadable picture": "damaged, empty or cut short: its people get no weight",
    "no labels": "no labelled joint: left out",
    "empty box": "a box without area: left out",
    "crowd": "a crowd: left out",
    "few labels": f"fewer than {FEW} labelled joints: left out by most recipes",
}
NOTED = {
    "wrong size": "the picture has another size than its entry says",
    "joint outside": "a labelled joint outside the picture",
    "box outside": "a box that does not touch the picture",
    "repeated id": "two annotations of one id",
    "no area": f"no area: {BODY_SHARE:g} × the box's is taken",
}


@dataclass
class Report:
    """The findings by kind: how many, and a few by name. ``people`` are those that can be trained on."""

    annotations: Path
    pictures: int = 0
    people: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    joints: dict[str, int] = field(default_factory=dict)  # labels by joint

    def add(self, kind: str, name: str) -> None:
        """Count one finding."""
        self.counts[kind] += 1
        named = self.examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(name)

    @property
    def refused(self) -> bool:
        """Whether a training with this set would be refused."""
        return any(kind in REFUSED for kind in self.counts)


def check_set(
    annotations: Path,
    images: Path,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
    split: str = "train",
) -> Report:
    """Look at every annotation and decode every picture of a set. Never raises for what it finds in it.

    *on_picture* is called with how many are done, and of how many. *split* is the part of LSP or MPII that is looked at.
    """
    report = Report(annotations)
    _check_into(report, LabelledSet(annotations, images, split), on_picture)
    if report.people == 0 and "format" not in report.counts:
        report.add("nobody", annotations.name)
    return report


def _check_into(report: Report, part: LabelledSet, on_picture: Callable[[int, int], None]) -> None:
    """Put into *report* what is wrong with *part*."""
    annotations, images = part.annotations, part.images
    try:
        if part.format != "coco":
            _check_people(report, part, on_picture)
            return
        content = load_json(annotations)
        names = joint_names(content)
        pictures = {entry["id"]: entry for entry in content["images"]}
        paths = {identity: images / entry["file_name"] for identity, entry in pictures.items()}
        entries = list(content["annotations"])
    except DataError as error:
        report.add("format", str(error))
        return
    except (KeyError, TypeError, AttributeError) as error:
        report.add("format", f"{annotations.name}: {error!r}")
        return
    sizes = _look_at_all(report, paths, on_picture)
    for identity, size in sizes.items():
        said = pictures[identity].get("height", size[0]), pictures[identity].get("width", size[1])
        if said != size:
            report.add("wrong size", f"{paths[identity].name}: {said[1]}×{said[0]}, is {size[1]}×{size[0]}")
    seen: set[Any] = set()
    labels = np.zeros(len(names), np.int64)
    for entry in entries:
        labels += _check_annotation(report, entry, len(names), paths, sizes, seen)
    report.joints = dict(zip(names, labels.tolist(), strict=True))


def _check_people(report: Report, part: LabelledSet, on_picture: Callable[[int, int], None]) -> None:
    """The findings in a set of MPII's or LSP's own format. Raises DataError when the file is not in it."""
    skeleton = part.skeleton
    assert skeleton is not None  # these sets have one
    people = part.everybody(skeleton)
    sizes = _look_at_all(report, {p.image_id: p.path for p in people}, on_picture)
    labels = np.zeros(skeleton.k, np.int64)
    for person in people:
        name, known = f"annotation {person.annotation_id}", person.joints[:, 2] > 0
        if not np.isfinite(person.joints[known]).all() or not np.isfinite(person.box).all():
            report.add("not a number", name)
        elif not known.any():
            report.add("no labels", name)
        elif person.box[2:].min() <= 1:
            report.add("empty box", name)
        else:
            _check_place(report, name, person.joints[known, :2], person.box, sizes.get(person.image_id))
            _count(report, name, known)
            labels += known
    report.joints = dict(zip(skeleton.keypoints, labels.tolist(), strict=True))


def _look_at_all(report: Report, paths: dict[Any, Path], on_picture: Callable[[int, int], None]) -> dict[Any, tuple[int, int]]:
    """Decode every picture of *paths* by id; returns the height and width of those that can be read."""
    report.pictures = len(paths)
    sizes: dict[Any, tuple[int, int]] = {}
    with ThreadPoolExecutor() as pool:
        for done, (identity, problem, size) in enumerate(pool.map(_look, paths.items()), 1):
            if problem:
                report.add(problem, paths[identity].name)
            elif size is not None:
                sizes[identity] = size
            on_picture(done, len(paths))
    return sizes


def _look(item: tuple[Any, Path]) -> tuple[Any, str, tuple[int, int] | None]:
    """A picture's id, what is wrong with it ("" for nothing), and its height and width."""
    identity, path = item
    if not path.is_file():
        return identity, "missing picture", None
    try:
        image = read_image(path)
    except DataError:
        return identity, "unreadable picture", None
    return identity, "", (image.shape[0], image.shape[1])


def _check_annotation(
    report: Report, entry: Any, k: int, paths: dict[Any, Path], sizes: dict[Any, tuple[int, int]], seen: set[Any]
) -> Any:
    """Note what is wrong with one annotation; returns which joints (k,) it labels, if it can be trained on."""
    none = np.zeros(k, np.int64)
    if not isinstance(entry, dict):
        report.add("format", "an annotation that is not an object")
        return none
    name = f"annotation {entry.get('id')}"
    identity = entry.get("image_id")
    try:
        joints = np.asarray(entry.get("keypoints", ()), np.float64)
        box = np.asarray(entry.get("bbox", (0, 0, 0, 0)), np.float64)
    except (TypeError, ValueError):
        report.add("not a number", name)
        return none
    if identity not in paths:
        report.add("unknown picture", name)
        return none
    if joints.size != 3 * k:
        report.add("keypoint count", f"{name}: {joints.size} numbers, expected {3 * k}")
        return none
    if not np.isfinite(joints).all() or box.shape != (4,) or not np.isfinite(box).all():
        report.add("not a number", name)
        return none
    if entry.get("id") in seen:
        report.add("repeated id", name)
    seen.add(entry.get("id"))
    joints = joints.reshape(k, 3)
    known = joints[:, 2] > 0
    if entry.get("iscrowd", 0):
        report.add("crowd", name)
        return none
    if not known.any():
        report.add("no labels", name)
        return none
    if box[2] <= 1 or box[3] <= 1:
        report.add("empty box", name)
        return none
    if not entry.get("area"):
        report.add("no area", name)
    _check_place(report, name, joints[known, :2], box, sizes.get(identity))
    _count(report, name, known)
    return known.astype(np.int64)


def _count(report: Report, name: str, known: NDArray[np.bool_]) -> None:
    """Count a person with the labels *known* (k,)."""
    report.people += 1
    if np.count_nonzero(known) < FEW:
        report.add("few labels", name)


def _check_place(
    report: Report, name: str, xy: NDArray[np.floating], box: NDArray[np.floating], size: tuple[int, int] | None
) -> None:
    """Note labelled joints (n, 2) and a box that lie outside a picture of *size* (height, width), if that is known."""
    if size is None:
        return
    h, w = size
    outside = int(((xy < 0) | (xy > (w, h))).any(axis=1).sum())
    if outside:
        report.add("joint outside", f"{name}: {outside}")
    if box[0] >= w or box[1] >= h or box[0] + box[2] <= 0 or box[1] + box[3] <= 0:
        report.add("box outside", name)
