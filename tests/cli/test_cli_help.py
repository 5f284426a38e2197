"""`--help` of every command: each option is explained, with what it takes and its default, and in no programmer's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from poseapp.cli.help import PlainCommand, PlainGroup, describe
from poseapp.cli.main import app, main

# What typer and click would say of their own accord: <str>, FLOAT RANGE, [default: (…)], x>=0, list[Path], …
RAW = re.compile(r"<[a-z]+|\b(TEXT RANGE|FLOAT|INTEGER|BOOLEAN|PATH|RANGE|None|True|False)\b|\[default|x[<>]=|list\[|float range")
TAKES = re.compile(r"[A-Z]+(=[A-Z]+)?")


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*name, below))


ALL = dict(commands(typer.main.get_command(app)))


def test_every_command_is_here() -> None:
    assert {("run",), ("bench", "people"), ("train",), ("eval",), ("export",), ("models", "fetch")} <= set(ALL)


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_is_complete_and_plain(name: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command = ALL[name]
    assert isinstance(command, (PlainCommand, PlainGroup)), "give it cls=PlainCommand or cls=PlainGroup"
    assert main([*name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert not RAW.search(shown), RAW.search(shown)
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.replace("-\n", "-").split())
    for below, one in getattr(command, "commands", {}).items():
        assert (f"{below} {one.get_short_help_str(limit=400)}" in words) == (not one.hidden)
    parameters: list[Any] = [one for one in command.params if not getattr(one, "hidden", False)]  # hidden: an old name
    for parameter in parameters:
        names, text = describe(parameter)
        assert parameter.help, f"{parameter.name}: no help"
        assert parameter.help.endswith((".", "…")), f"{parameter.name}: {parameter.help!r} is no sentence"
        assert " ".join(text.replace("- ", "-").split()) in words.replace("- ", "-")
        assert names.split()[0].rstrip(",") in shown
        if not getattr(parameter, "is_flag", False):
            assert TAKES.fullmatch(parameter.metavar or ""), f"{parameter.name}: its metavar says not what it takes"


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_every_default_is_told(name: tuple[str, ...]) -> None:
    for parameter in ALL[name].params:
        default = parameter.default() if callable(parameter.default) else parameter.default
        if not parameter.required and default not in (None, False, "", ()):
            assert re.search(r"Default: \S", describe(parameter)[1]), f"{parameter.name}: {default!r} is not told"


def test_bounds_and_defaults_in_words() -> None:
    told = {
        names: text
        for name in (("run",), ("bench", "pipeline"), ("models", "build"))
        for names, text in map(describe, ALL[name].params)
    }
    assert told["--batch PEOPLE"].endswith("From 1 to 8. Default: 8.")
    assert told["--seconds SECONDS"].endswith("At least 1. Default: 5.")
    assert told["--smoothing STRENGTH"].endswith("From 0 to 1. Default: 0.5.")
    assert told["NAME"].endswith("Required.")


@pytest.mark.parametrize("document", ["README.md", "docs/benchmarks.md", "docs/training.md"])
def test_command_lines_to_copy_name_commands_and_options_that_exist(repo_root: Path, document: str) -> None:
    text = (repo_root / document).read_text(encoding="utf-8").replace("\\\n", "")
    lines = re.findall(r"(?:^(?:OMP\S+ torchrun .*?)?|`)(?:poseapp|main\.py) ([^`\n]*)", text, re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        words = re.split(r" {2,}", line)[0].split()  # a remark stands behind two spaces
        name: tuple[str, ...] = ()
        while words and (*name, words[0]) in ALL:
            name = (*name, words.pop(0))
        assert name or not words or words[0].startswith("-"), f"{document}: poseapp {line}: no such command"
        known = {option for parameter in ALL[name].params for option in parameter.opts} | {"--help"}
        assert {word for word in words if re.match(r"-+[a-z]", word)} <= known, f"{document}: poseapp {line}"
