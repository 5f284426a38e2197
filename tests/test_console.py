"""Printing where the encoding knows few letters, and names that look like commands to a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_model

from poseapp.cli.main import main
from poseapp.console import description, plain_console, print_anything

CODE_PAGES = ("ascii", "cp1252", "cp437", "cp1251")


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_what_an_encoding_lacks_is_printed_as_a_question_mark(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    print_anything()
    print("OKS≥.5 256×192 人")
    plain_console(stderr=True).print("–…·é人")
    monkeypatch.undo()
    for stream in (output, errors):
        stream.flush()
        assert b"?" in stream.buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_commands_end_well_in_any_encoding(encoding: str, repo_root: Path, tmp_path: Path) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    clip = repo_root / "assets" / "sample.jpg"
    store = ["--engines-dir", str(tmp_path / "store")]
    for line in (
        ["models", *store], ["--help"], ["run", "--help"], ["models", "time", "tiny", *store], ["train", "--list"],
        ["run", str(clip), "--headless", "--out", str(tmp_path / "out"), *store],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(repo_root / "main.py"), *line],
            env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode("ascii", "replace")


def test_names_are_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    plain_console(width=60).print("[/red] :smile: [bold]x")
    assert capsys.readouterr().out == "[/red] :smile: [bold]x\n"
    assert not description().markup


def test_a_broken_model_leaves_the_store_usable_and_the_terminal_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.write_model(tmp_path / "good")
    spoilt = [
        ("name", "a\x1b[2Jb"), ("name", "a\0b"), ("family", "\x1b]0;t\x07"),
        ("source", {"paper": "\x1b[31m"}), ("metrics", {"\x1b": 1})
    ]  # fmt: skip
    for number, (key, value) in enumerate(spoilt):
        path = tiny_model.write_model(tmp_path / f"bad{number}") / "model.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    for name, text in (("deep", '{"a":' * 100_000), ("huge", '{"macs": ' + "9" * 5000 + "}"), ("[bold]", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text(text)
    assert main(["models", "--engines-dir", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\0" not in output
    (good,) = [line for line in output.splitlines() if line.startswith("good ")]
    assert "ready" in good.split()
    about_broken = [line for line in output.splitlines() if line.startswith(("bad", "deep", "huge", "[bold]"))]
    rows = [line for line in about_broken if " is broken: " not in line]
    assert len(rows) == len(about_broken) - len(rows) == 8  # a row of the table, and a line that says why
    assert all("broken" in row.split() for row in rows)
    assert main(["models", "time", "good", "--engines-dir", str(tmp_path)]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
def test_output_to_a_full_disk_is_said_in_one_line(repo_root: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, str(repo_root / "main.py"), "run", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "poseapp: the disk is full (No space left on device). Make room, or write somewhere else.\n"
