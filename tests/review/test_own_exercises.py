"""Exercises of the user's own are there next time, and nothing in their file can hurt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poseapp.core.errors import RecordError
from poseapp.core.repetitions import marked
from poseapp.review.own_exercises import MOST, OwnExercises, exercises_by_option

LUNGE = marked("Deep lunge", "left_knee", 10, 100)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    own = OwnExercises(tmp_path / "new" / "exercises.json")
    assert own.all() == ()
    own.keep(LUNGE)
    kick = marked("Kick", "right_hip", 0, 60)
    own.keep(kick)
    assert OwnExercises(own.path).all() == (LUNGE, kick)
    deeper = marked("Deep lunge", "left_knee", 10, 120)
    own.keep(deeper)
    assert own.all() == (kick, deeper)
    own.forget("Kick")
    own.forget("Juggling")
    assert own.all() == (deeper,)
    assert own.path.stat().st_mode & 0o077 == 0


def test_the_command_line_knows_them_and_those_of_the_app_first(tmp_path: Path) -> None:
    own = OwnExercises(tmp_path / "exercises.json")
    own.keep(LUNGE)
    found = exercises_by_option(own)
    assert found["deep-lunge"] == LUNGE
    assert found["squat"].angles == ("left_knee", "right_knee")


@pytest.mark.parametrize("name", ["", "  ", " a", "x" * 61, "a\nb", "squat", "Curl"])
def test_names_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    own = OwnExercises(tmp_path / "exercises.json")
    with pytest.raises(RecordError, match=r"^exercise: .*Type another one\.$"):
        own.keep(marked(name, "left_knee", 0, 60))
    assert not own.path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"exercises": 3}', b"\xff\xfe", b'{"exercises": [3]}'])
def test_a_damaged_file_counts_as_empty_and_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    own = OwnExercises(tmp_path / "exercises.json")
    own.path.write_bytes(content)
    assert own.all() == ()
    own.keep(LUNGE)
    assert own.all() == (LUNGE,)
    assert (tmp_path / "exercises.json.broken").read_bytes() == content


def test_entries_that_describe_nothing_are_left_out(tmp_path: Path) -> None:
    good = {"name": "Deep lunge", "angle": "left_knee", "rest_deg": 40.0, "turn_deg": 70.0}
    changes: list[dict[str, object]] = [
        {"angle": "tail"},
        {"rest_deg": 70.0},
        {"turn_deg": 1e9},
        {"turn_deg": float("nan")},
        {"name": "Squat"},
        {"name": 3},
    ]
    entries = [good, *({**good, "name": f"n{i}", **change} for i, change in enumerate(changes))]
    own = OwnExercises(tmp_path / "exercises.json")
    own.path.write_text(json.dumps({"exercises": entries}))
    assert [one.name for one in own.all()] == ["Deep lunge"]


def test_they_are_no_more_than_a_hundred(tmp_path: Path) -> None:
    own = OwnExercises(tmp_path / "exercises.json")
    for n in range(MOST):
        own.keep(marked(f"n{n}", "left_knee", 0, 60))
    with pytest.raises(RecordError, match="at most 100"):
        own.keep(LUNGE)
    assert len(own.all()) == MOST


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"cannot be written .*try again\.$"):
        OwnExercises(tmp_path / "file" / "exercises.json").keep(LUNGE)
