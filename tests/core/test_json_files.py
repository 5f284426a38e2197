"""JSON from outside: what is read, what is refused in one line, and what is taken apart by type."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from poseapp.core.errors import DataError, PoseAppError, printable
from poseapp.core.json_files import Fields, parse_json, read_json


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
