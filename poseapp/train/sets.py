"""Finding and reading a set of labelled pictures: COCO's format, MPII, LSP, folders and tar shards. Needs no torch."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError
from poseapp.core.skeleton import LSP_14, MPII_16, Skeleton
from poseapp.train.people import Person, convert_joints, load_json, read_coco

_ANNOTATIONS = (
    "person_keypoints_{split}.json",
    "annotations/person_keypoints_{split}.json",
    "annotations/person_keypoints_{split}2017.json",
    "{split}.json",
    "annot/{split}.json",  # MPII as converted by the authors of HRNet
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
        """Its people in *skeleton*; joints that the set does not have are marked as not labelled."""
        return reader_of(self.annotations, self.split)(self.annotations, self.images, skeleton, min_joints)


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
        raise DataError(f"{path}: no {what.format(split=split)}. Give FILE=FOLDER with the annotation file and its pictures.")
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


Reader = Callable[[Path, Path, Skeleton, int], list[Person]]


def reader_of(annotations: Path, split: str) -> Reader:
    """The function that reads the format of *annotations*."""
    if annotations.suffix == ".mat":
        return lambda a, i, s, m: read_lsp(a, i, s, m, split)
    if annotations.suffix == ".json" and annotations.is_file():
        with annotations.open(encoding="utf-8") as file:
            if file.read(64).lstrip().startswith("["):
                return read_mpii
    return read_coco


def read_mpii(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[Person]:
    """People of MPII in the JSON that HRNet's authors made of its annotations: a list of joints, centre and scale.

    Boxes are squares of scale × 200 px about the centre (Andriluka et al., CVPR 2014), less the 1.25 that is padded later.
    """
    people = []
    try:
        for i, entry in enumerate(load_json(annotations)):
            labels = np.zeros((MPII_16.k, 3), np.float32)
            labels[:, :2] = entry["joints"]
            labels[:, 2] = 2 * np.asarray(entry["joints_vis"], np.float32)
            side = 200.0 * float(entry["scale"])
            x, y = entry["center"]
            box = np.array([x - side / 2, y - side / 2, side, side], np.float32)
            joints = convert_joints(labels, MPII_16.keypoints, skeleton)
            people.append(Person(i, i, images / entry["image"], box, joints, 0.53 * side**2))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{annotations}: expected a list of joints, joints_vis, center, scale and image ({error!r}).") from None
    return _kept(people, annotations, min_joints)


def read_lsp(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int, split: str) -> list[Person]:
    """People of LSP (2,000: the first half trains, the second tests) or LSP extended (10,000, training only).

    *annotations* is joints.mat as published. Boxes are drawn about the labelled joints, a tenth wider on each side.
    """
    array = read_mat(annotations)
    if array.ndim != 3 or set(array.shape[:2]) != {3, LSP_14.k}:
        raise DataError(f"{annotations}: expected 3×14×N or 14×3×N numbers, got {'×'.join(map(str, array.shape))}.")
    extended = array.shape[0] == LSP_14.k
    labels = array.transpose(2, 0, 1) if extended else array.transpose(2, 1, 0)  # (N, 14, 3)
    labels = labels.astype(np.float32)
    labels[..., :2] -= 1  # MATLAB counts from 1
    # LSP extended says 1 for labelled; LSP labels all and says 1 for hidden.
    labels[..., 2] = 2 * (labels[..., 2] > 0) if extended else 2 - (labels[..., 2] > 0)
    chosen = range(len(labels)) if extended else range(1000) if split == "train" else range(1000, len(labels))
    if extended and split != "train":
        raise DataError(f"{annotations}: LSP extended has no {split} part. Validate on LSP.")
    digits = 5 if extended else 4
    people = []
    for i in chosen:
        known = labels[i][labels[i, :, 2] > 0, :2]
        if len(known) < 2:
            continue
        low, size = known.min(axis=0), np.ptp(known, axis=0)
        box = np.concatenate([low - 0.1 * size, 1.2 * size]).astype(np.float32)
        joints = convert_joints(labels[i], LSP_14.keypoints, skeleton)
        people.append(Person(i + 1, i + 1, images / f"im{i + 1:0{digits}d}.jpg", box, joints, float(0.53 * box[2] * box[3])))
    return _kept(people, annotations, min_joints)


def _kept(people: list[Person], annotations: Path, min_joints: int) -> list[Person]:
    kept = [p for p in people if np.count_nonzero(p.joints[:, 2]) >= min_joints and p.box[2] > 1 and p.box[3] > 1]
    if not kept:
        raise DataError(f"{annotations}: no person with {min_joints} or more labelled joints.")
    missing = next((p.path for p in kept if not p.path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: picture not found. Give the folder that holds the pictures of {annotations.name}.")
    return kept


# --- MATLAB's .mat, version 5: as much of it as joints.mat needs ---------------------------------------------

_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}


def read_mat(path: Path) -> NDArray[np.float64]:
    """The first numeric array in a MATLAB 5 file; DataError when there is none."""
    try:
        content = path.read_bytes()
        at = 128  # after the header
        while at < len(content):
            kind, body, at = _element(content, at)
            if kind == 15:  # compressed
                kind, body, _ = _element(zlib.decompress(body), 0)
            if kind == 14:  # an array: flags, dimensions, name, values
                _, _, inner = _element(body, 0)
                _, dims, inner = _element(body, inner)
                _, _, inner = _element(body, inner)
                value_kind, values, _ = _element(body, inner)
                shape = np.frombuffer(dims, "<i4")
                return np.frombuffer(values, _TYPES[value_kind]).astype(np.float64).reshape(shape, order="F")
    except (OSError, struct.error, zlib.error, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB 5 file ({error}).") from None
    raise DataError(f"{path}: no array of numbers in it.")


def _element(content: bytes, at: int) -> tuple[int, bytes, int]:
    """Type, body and the end of the element at *at*; small ones share their tag's eight bytes."""
    kind, size = struct.unpack_from("<II", content, at)
    if kind >> 16:
        return kind & 0xFFFF, content[at + 4 : at + 4 + (kind >> 16)], at + 8
    end = at + 8 + size
    return kind, content[at + 8 : end], end if kind == 15 else end + (-size % 8)
