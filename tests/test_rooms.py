"""The code stays readable: no long file, no long function, nothing hidden behind an old name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "poseapp"
MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
# Functions that may be longer, each with its reason.
LONGER: dict[str, str] = {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """The functions of the module at *path*, with their number of lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield f"{path.relative_to(PACKAGE).as_posix()}:{node.name}", node.end_lineno - node.lineno + 1


def modules() -> list[Path]:
    """Every module of the package."""
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 150
    return found


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lines = {path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: n for name, n in lines.items() if n > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {name for path in modules() for name, n in functions(path) if n > MOST_LINES_OF_A_FUNCTION}
    assert long == set(LONGER), "either shorten it, or give the reason; a reason for a short function goes"


def test_a_module_of_the_package_keeps_its_name_where_it_is_imported() -> None:
    renamed = [
        f"{path.relative_to(PACKAGE).as_posix()}: {line.strip()}"
        for path in modules()
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(from poseapp[\w.]* import [a-z_]+ as |import poseapp[\w.]* as )", line)
    ]
    assert renamed == []
