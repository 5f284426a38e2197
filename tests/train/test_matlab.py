"""MATLAB files: read as SciPy reads whole ones, and refused where they are damaged."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpii_files import write_mpii
from scipy.io import loadmat, savemat

from poseapp.core.errors import DataError
from poseapp.train.data import matlab
from poseapp.train.data.matlab import load_mat


def same(ours: Any, theirs: Any) -> bool:
    if hasattr(theirs, "_fieldnames"):
        return vars(ours).keys() == set(theirs._fieldnames) and all(same(v, getattr(theirs, k)) for k, v in vars(ours).items())
    a, b = np.asarray(ours), np.asarray(theirs)
    if b.dtype == object:
        return a.shape == b.shape and all(map(same, a.ravel(), b.ravel()))
    return bool(np.array_equal(a, b)) and (b.ndim == 0 or a.size == 0 or a.dtype.kind == b.dtype.kind)


@pytest.mark.parametrize("compressed", [False, True])
def test_whole_files_are_read_as_scipy_does(compressed: bool, tmp_path: Path) -> None:
    path = write_mpii(tmp_path)
    release = {"RELEASE": loadmat(path)["RELEASE"]}
    cell = np.empty((1, 2), object)
    cell[0] = ["text", np.arange(3)]
    more = {"a": np.arange(24.0).reshape(2, 3, 4), "b": np.array([[1, 2]], np.uint8), "c": "näme", "d": cell, "e": -1.5,
            "f": np.array(["ab", "cd"])}  # fmt: skip
    savemat(path, {**release, **more}, do_compression=compressed)
    theirs = loadmat(path, squeeze_me=True, struct_as_record=False)
    ours = load_mat(path)
    assert [name for name in ours if not same(ours[name], theirs[name])] == []
    assert ours.keys() == {name for name in theirs if not name.startswith("__")}


def element(kind: int, data: bytes, size: int | None = None) -> bytes:
    return struct.pack("<II", kind, len(data) if size is None else size) + data + bytes(-len(data) % 8)


def matrix(class_: int, shape: tuple[int, ...], *parts: bytes) -> bytes:
    flags, sides = struct.pack("<II", class_, 0), struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, flags) + element(5, sides) + element(1, b"x") + b"".join(parts))


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
NAMES = element(5, struct.pack("<I", 4)) + element(1, b"a\0\0\0b\0\0\0")


def nested(depth: int) -> bytes:
    inner = matrix(6, (1, 1), element(9, struct.pack("<d", 1)))
    for _ in range(depth):
        inner = matrix(1, (1, 1), inner)
    return inner


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no MATLAB file of level 5"),
        (b"\x89HDF\r\n".ljust(500), "no MATLAB file of level 5"),
        (HEADER + element(14, b"cut", 1000), "cut short"),
        (HEADER + matrix(6, (1000000, 1000000), element(9, bytes(80))), "10 numbers in an array of the shape"),
        (HEADER + matrix(2, (91, 1), NAMES), r"an array of the shape \(91, 1\) in"),
        (HEADER + matrix(1, (2147483647, 2147483647)), "an array of the shape"),
        (HEADER + matrix(1, (-1, 5)), "an array of the shape"),
        (HEADER + matrix(6, (5,), element(9, bytes(40))), "an array of the shape"),
        (HEADER + matrix(6, (1, 5), element(99, bytes(40))), "numbers of the unknown type 99"),
        (HEADER + matrix(4, (1, 5), element(16, b"abc")), "3 letters in text"),
        (HEADER + matrix(2, (1, 1), element(5, struct.pack("<I", 0)), element(1, b"")), "a structure without names"),
        (HEADER + nested(40), "nested too deep"),
        (HEADER + element(15, b"not compressed"), "header check|incorrect"),
    ],
)
def test_damaged_files_end_in_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "joints.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^.*joints\.mat: cannot be read as a MATLAB file \(.*{says}.*\)\. Fetch it again\.$"):
        load_mat(path)


def test_what_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "MOST_BYTES", 1 << 20)
    path = tmp_path / "joints.mat"
    path.write_bytes(HEADER + element(15, zlib.compress(element(14, bytes(1 << 21)))))
    with pytest.raises(DataError, match="its compressed parts hold more than 1 MiB"):
        load_mat(path)
    monkeypatch.setattr(matlab, "MOST_VALUES", 10)
    path.write_bytes(HEADER + matrix(1, (1, 11), element(14, b"") * 11))
    with pytest.raises(DataError, match="more than 10 arrays"):
        load_mat(path)


def test_what_no_set_has_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"complex": np.array([1 + 2j]), "n": 3})
    assert load_mat(path) == {"complex": None, "n": 3}
