"""JSON from outside: what is read, what is refused in one line, and what is taken apart by type. Locks and whole writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poseapp.core.errors import DataError, PoseAppError, printable
from poseapp.core.files import Fields, only_one, parse_json, read_json, sha256_file


def read(content: bytes | str, any_encoding: bool = False) -> Any:
    return parse_json(content, lambda what: DataError(f"a.json: {what}."), any_encoding)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("[" * 100_000, "nested more than 32 deep"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, "nested more than 32 deep"),
        ("9" * 5000, "a whole number of 5,000 digits"),
        ('{"a": -123456789012345678901}', "a whole number of 22 digits"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one object"),
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        (b'{"a": "\xe9"}', "not UTF-8 text"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_line(content: bytes | str, says: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.json: .*{says}") as caught:
        read(content)
    assert len(str(caught.value)) < 200


def test_what_is_within_bounds_is_read() -> None:
    deep: Any = 1
    for _ in range(32):
        deep = [deep]
    assert read(json.dumps(deep)) == deep
    assert read('{"a": 12345678901234567890, "b": 1e400}') == {"a": 12345678901234567890, "b": float("inf")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_text_in_any_encoding(encoding: str) -> None:
    assert read('{"name": "Jürgen.jpg"}'.encode(encoding), any_encoding=True) == {"name": "Jürgen.jpg"}


def test_files_that_are_too_large_or_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps("x" * 2000))
    assert len(read_json(path, DataError)) == 2000
    with pytest.raises(DataError, match="larger than 0 MiB"):
        read_json(path, DataError, most_bytes=1000)
    if os.name != "nt":
        with pytest.raises(DataError, match="expected a file, got something else"):
            read_json(Path(os.devnull), DataError)


@pytest.mark.parametrize(
    ("take", "says"),
    [
        (lambda f: f.text("number"), "number: expected a line of plain text, got 3"),
        (lambda f: f.text("escape"), r"escape: expected a line of plain text, got '\\x1b\[2J'"),
        (lambda f: f.integer("half"), r"half: expected a whole number, got 0\.5"),
        (lambda f: f.integer("true"), "true: expected a whole number, got True"),
        (lambda f: f.number("text"), "text: expected a number, got 'four'"),
        (lambda f: f.hw("one"), r"one: expected height and width, got \[1\]"),
        (lambda f: f.floats("one", 2), r"one: expected 2 numbers, got \[1\]"),
        (lambda f: f.array("number"), "number: expected a list, got 3"),
        (lambda f: f.object("inner").number("x"), "inner, x: expected a number, got None"),
        (lambda f: f.object("one"), r"one: expected an object, got \[1\]"),
        (lambda f: f.texts("inner"), "inner, x: expected a line of plain text, got None"),
        (lambda f: f.number("none"), "none: missing"),
        (lambda f: f.text("long"), "^long: expected a line of plain text, got .{,70}$"),
    ],
)
def test_fields_are_taken_by_type(take: Any, says: str) -> None:
    content = {
        "number": 3, "half": 0.5, "true": True, "text": "four", "escape": "\x1b[2J", "one": [1], "inner": {"x": None},
        "long": ["x" * 10**6],
    }  # fmt: skip
    with pytest.raises(DataError, match=says):
        take(Fields(content, DataError))


def test_errors_are_one_line_that_no_terminal_obeys() -> None:
    told = str(PoseAppError("a\x1b[31m\0b\nc\u202ed\ud800é人"))
    assert told == "a\\x1b[31m\\x00b\\nc\\u202ed\\ud800é人"
    assert printable(told) == told
    told.encode()


def test_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / ".name.lock"
    other = (
        f"from pathlib import Path\nfrom poseapp.core.files import only_one\nwith only_one(Path({str(lock)!r})) as a: print(a)"
    )
    with only_one(lock) as first:
        with only_one(lock) as second:
            assert (first, second) == (True, False)
        told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == "False"
        assert lock.exists()  # who does not get it does not take it away
    assert not lock.exists()
    told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
