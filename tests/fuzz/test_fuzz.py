"""Some hundred damaged files of each kind here; ``-m slow`` tries thousands, in processes that are watched."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import damage_bytes, damage_json
from fuzz import Result, try_out, watch
from kinds import KINDS

CHEAP = [kind for kind in KINDS if kind not in ("checkpoints", "onnx", "packages")]


@pytest.mark.parametrize("kind", CHEAP)
def test_damaged_files_are_read_or_refused_in_one_line(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = try_out(kind, range(200), 1, Result())
    assert result.faults == {}
    assert result.counts.total() == 200


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files(kind: str) -> None:
    result = watch(kind, 2000 if kind in CHEAP else 500, 2)
    assert result.faults == {}


def test_damage_follows_from_the_seed() -> None:
    content = {"a": [1, 2, {"b": "c"}], "d": 5}
    as_json: Callable[[random.Random], bytes] = lambda chance: damage_json(content, chance)  # noqa: E731
    as_bytes: Callable[[random.Random], bytes] = lambda chance: damage_bytes(bytes(range(100)), chance)  # noqa: E731
    for damage in (as_json, as_bytes):
        runs = [[damage(random.Random(f"x {n}")) for n in range(30)] for _ in range(2)]
        assert runs[0] == runs[1]
        assert len(set(runs[0])) > 20
