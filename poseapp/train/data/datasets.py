"""Finding and reading a set of labelled pictures: COCO's format, MPII, LSP, folders and tar shards. Needs no torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from poseapp.core.errors import DataError
from poseapp.core.skeleton import LSP_14, MPII_16, SKELETONS, Skeleton
from poseapp.train.data.annotations import Person, check_pictures, people_in
from poseapp.train.data.coco import Annotations, read_annotations
from poseapp.train.data.lsp import read_lsp
from poseapp.train.data.mpii import read_mpii, read_mpii_mat

Format = Literal["coco", "mpii", "mpii-mat", "lsp"]

_ANNOTATIONS = (
    "person_keypoints_{split}.json",
    "annotations/person_keypoints_{split}.json",
    "annotations/person_keypoints_{split}2017.json",
    "{split}.json",
    "annot/{split}.json",  # MPII as converted by the authors of HRNet
    "mpii_human_pose_v1_u12_1.mat",  # MPII as published, beside images/ or unpacked there
    "mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat",
    "joints.mat",  # LSP and LSP extended as published
)
_IMAGES = ("images", "{split}2017", "images/{split}2017", "{split}")


@dataclass(frozen=True)
class LabelledSet:
    """Where a set's labels and pictures are. ``images`` is a folder; with ``shards`` the pictures are in tars instead."""

    annotations: Path
    images: Path
    split: str
    shards: tuple[str, ...] = ()

    def read(self, skeleton: Skeleton, min_joints: int) -> list[Person]:
        """Its people with *min_joints* or more labels, in *skeleton*; joints that the set does not have are not labelled.

        Raises DataError on a file that cannot be read, no such people, or a picture that is not there.
        """
        if self.format == "coco":
            return people_in(self.content, skeleton, min_joints)
        people = [p for p in self.everybody(skeleton) if np.count_nonzero(p.joints[:, 2]) >= min_joints and p.box[2:].min() > 1]
        check_pictures(people, str(self.annotations), min_joints)
        return people

    def everybody(self, skeleton: Skeleton) -> list[Person]:
        """All people of a set that is not in COCO's format, whatever is wrong with them."""
        if self.format == "mpii":
            return read_mpii(self.annotations, self.images, skeleton)
        read = read_mpii_mat if self.format == "mpii-mat" else read_lsp
        return read(self.annotations, self.images, skeleton, self.split)

    @cached_property
    def content(self) -> Annotations:
        """A set in COCO's format as its file has it. Raises DataError when it cannot be read."""
        return read_annotations(self.annotations, self.images)

    @property
    def format(self) -> Format:
        """The format of the annotation file: MPII's and LSP's MATLAB files, MPII as JSON (a list), or COCO's."""
        if self.annotations.suffix == ".mat":
            return "mpii-mat" if self.annotations.name.startswith("mpii") else "lsp"
        if self.annotations.suffix == ".json":
            with suppress(OSError), self.annotations.open(encoding="utf-8", errors="replace") as file:
                if file.read(64).lstrip("\ufeff \t\r\n").startswith("["):
                    return "mpii"
        return "coco"

    @property
    def skeleton(self) -> Skeleton | None:
        """The joints that the set labels; None for names that are no known skeleton's."""
        if self.format == "lsp":
            return LSP_14
        if self.format != "coco":
            return MPII_16
        return next((s for s in SKELETONS.values() if s.keypoints == self.content.names), None)


def find_set(where: str, split: str) -> LabelledSet:
    """The *split* ("train" or "val") of the set at *where*.

    *where* is a folder in a known layout (COCO's, MPII's, LSP's, or ``person_keypoints_train.json`` beside ``images/``), an
    annotation file with ``images/`` beside it, or both, as ``FILE=FOLDER``. In the place of the folder, tars can stand:
    ``FILE=FOLDER/shard-*.tar``, or an http(s) address with ``{000..127}``. Raises DataError when nothing is there.
    """
    first, equals, second = where.partition("=")
    if equals:
        if second.endswith(".tar"):
            return LabelledSet(Path(first), Path(), split, expand_shards(second))
        return LabelledSet(Path(first), Path(second), split)
    path = Path(first)
    if path.is_file():
        return LabelledSet(path, path.parent / "images", split)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder or file. Give a set's folder, or FILE=FOLDER.")
    annotations = _first_that_exists(path, _ANNOTATIONS, split)
    images = _first_that_exists(path, _IMAGES, split)
    if annotations is None or images is None:
        what = f"{_ANNOTATIONS[0]}, {_ANNOTATIONS[2]}, …" if annotations is None else "images/"
        other = min(path.glob("*.json"), default=None) if annotations is None else annotations
        give = f"{other}={path / 'images'}" if other is not None and (path / "images").is_dir() else "FILE=FOLDER"
        raise DataError(f"{path}: no {what.format(split=split)}. Give the annotation file and the pictures' folder: {give}.")
    return LabelledSet(annotations, images, split)


def expand_shards(pattern: str) -> tuple[str, ...]:
    """The tars that *pattern* stands for: ``*`` on disk, ``{000..127}`` anywhere; DataError when there are none."""
    head, brace, rest = pattern.partition("{")
    if brace:
        numbers, _, tail = rest.partition("}")
        low, dots, high = numbers.partition("..")
        if not dots or not (low.isdigit() and high.isdigit()):
            raise DataError(f"{pattern}: expected a range such as {{000..127}}.")
        return tuple(f"{head}{n:0{len(low)}d}{tail}" for n in range(int(low), int(high) + 1))
    if pattern.startswith(("http://", "https://")):
        return (pattern,)
    path = Path(pattern)
    found = tuple(str(p) for p in sorted(path.parent.glob(path.name)))
    if not found:
        raise DataError(f"{pattern}: no such tars.")
    return found


def _first_that_exists(folder: Path, names: tuple[str, ...], split: str) -> Path | None:
    return next((folder / n.format(split=split) for n in names if (folder / n.format(split=split)).exists()), None)
