"""What is wrong with a set, named before a training starts. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError, printable
from poseapp.train.data.annotations import read_image
from poseapp.train.data.coco import FEW, KNOWN_JOINTS, REFUSED, Annotations, PersonEntry
from poseapp.train.data.datasets import LabelledSet

EXAMPLES = 5  # named for each kind of finding


@dataclass
class Report:
    """The findings by kind, those of train/data/coco.py: how many, and a few by name.

    ``people`` can be trained on, ``enough`` of them by a recipe that asks for ``least`` labelled joints.
    """

    annotations: Path
    least: int = FEW
    pictures: int = 0
    people: int = 0
    enough: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    joints: dict[str, int] = field(default_factory=dict)  # labels by joint

    def add(self, kind: str, name: str) -> None:
        """Count one finding."""
        self.counts[kind] += 1
        named = self.examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(printable(name))

    @property
    def refused(self) -> bool:
        """Whether a training with this set would be refused."""
        return any(kind in REFUSED for kind in self.counts)


def check_set(
    annotations: Path,
    images: Path,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
    split: str = "train",
    least: int = FEW,
) -> Report:
    """Look at every annotation and decode every picture of a set. Never raises for what it finds in it.

    *on_picture* is called with how many are done, and of how many. *split* is the part of LSP or MPII that is looked at;
    *least* how many labelled joints the recipe asks for.
    """
    report = Report(annotations, least)
    part = LabelledSet(annotations, images, split)
    try:
        if part.format == "coco":
            _check_coco(report, part.content, on_picture)
        else:
            _check_people(report, part, on_picture)
    except DataError as error:
        report.add("format", str(error))
    if not report.enough and "format" not in report.counts:
        report.add("nobody", annotations.name)
    return report


def _check_coco(report: Report, annotations: Annotations, on_picture: Callable[[int, int], None]) -> None:
    """Put into *report* what is wrong with *annotations* and their pictures."""
    for finding in annotations.findings:
        report.add(finding.kind, finding.about)
    sizes = _look_at_all(report, {p.id: p.path for p in annotations.pictures if p.there}, on_picture)
    for picture in annotations.pictures:
        size = sizes.get(picture.id)
        said = picture.hw
        if size is not None and said is not None and said != size:
            report.add("wrong size", f"{picture.path.name}: {said[1]}×{said[0]}, is {size[1]}×{size[0]}")
    labels: Counter[str] = Counter(dict.fromkeys(annotations.names, 0))
    with_people: set[int] = set()
    of_shares = {finding.about for finding in annotations.findings if finding.kind == "shares"}
    for person in annotations.people:
        known = _check_person(report, person, sizes.get(person.picture.id), person.title in of_shares)
        labels.update(name for name, labelled in zip(person.names, known, strict=True) if labelled)
        if known.any():
            with_people.add(person.picture.id)
    for picture in annotations.pictures:
        if not picture.there:
            report.add("missing picture" if picture.id in with_people else "absent picture", picture.name[-80:])
    report.pictures = len(annotations.pictures)
    report.joints = dict(labels)


def _check_person(report: Report, person: PersonEntry, size: tuple[int, int] | None, told: bool) -> NDArray[np.bool_]:
    """Note why a person cannot be trained on, or what is odd; returns which joints (k,) can be learnt from them.

    *told*: it is said already why they have no labels.
    """
    known: NDArray[np.bool_] = person.joints[:, 2] > 0
    nothing = np.zeros(len(known), bool)
    if person.crowd:
        return nothing
    if not known.any():
        if not told:
            report.add("no labels", person.title)
        return nothing
    if person.box is None or person.box[2:].min() <= 1:
        report.add("empty box", person.title)
        return nothing
    box = person.box + np.array([0.5, 0.5, 0, 0])
    _check_place(report, person.title, person.joints[known, :2], box, size)
    _count(report, person.title, known & np.array([name in KNOWN_JOINTS for name in person.names]))
    return known


def _check_people(report: Report, part: LabelledSet, on_picture: Callable[[int, int], None]) -> None:
    """The findings in a set of MPII's or LSP's own format. Raises DataError when the file is not in it."""
    skeleton = part.skeleton
    assert skeleton is not None  # these sets have one
    people = part.everybody(skeleton)
    sizes = _look_at_all(report, {p.image_id: p.path for p in people}, on_picture)
    labels = np.zeros(skeleton.k, np.int64)
    for person in people:
        name, known = f"annotation {person.annotation_id}", person.joints[:, 2] > 0
        if not known.any():
            report.add("no labels", name)
        elif person.box[2:].min() <= 1:
            report.add("empty box", name)
        else:
            _check_place(report, name, person.joints[known, :2], person.box, sizes.get(person.image_id))
            _count(report, name, known)
            labels += known
    report.joints = dict(zip(skeleton.keypoints, labels.tolist(), strict=True))


def _look_at_all(report: Report, paths: dict[int, Path], on_picture: Callable[[int, int], None]) -> dict[int, tuple[int, int]]:
    """Decode every picture of *paths* by id; returns the height and width of those that can be read."""
    report.pictures = len(paths)
    sizes: dict[int, tuple[int, int]] = {}
    with ThreadPoolExecutor() as pool:
        for done, (identity, problem, size) in enumerate(pool.map(_look, paths.items()), 1):
            if problem:
                report.add(problem, paths[identity].name)
            elif size is not None:
                sizes[identity] = size
            on_picture(done, len(paths))
    return sizes


def _look(item: tuple[int, Path]) -> tuple[int, str, tuple[int, int] | None]:
    """A picture's id, what is wrong with it ("" for nothing), and its height and width."""
    identity, path = item
    if not path.is_file():
        return identity, "missing picture", None
    try:
        image = read_image(path)
    except DataError:
        return identity, "unreadable picture", None
    return identity, "", (image.shape[0], image.shape[1])


def _count(report: Report, name: str, known: NDArray[np.bool_]) -> None:
    """Count a person with the labels *known* (k,)."""
    report.people += 1
    report.enough += int(np.count_nonzero(known) >= report.least)
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
