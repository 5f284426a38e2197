"""Keeps the timings of this machine (choice.py, thread_count.py) in the user's cache, by everything that they depend on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poseapp import resources
from poseapp.core.errors import EngineError
from poseapp.core.files import atomic_write, sha256
from poseapp.core.json_files import Fields, read_json

Key = Mapping[str, object]
"""All that a timing depends on, as JSON can hold it."""


def place(kind: str, key: Key) -> Path:
    """The file for what was timed under *key*; *kind* is its folder in the cache."""
    digest = sha256(json.dumps(key, sort_keys=True).encode())
    return resources.cache_dir(kind) / f"{digest[:16]}.json"


def read(kind: str, key: Key) -> Fields | None:
    """The values under *key*; None when there are none. Raises OSError and EngineError when they cannot be read."""
    try:
        content = Fields(read_json(place(kind, key), EngineError), EngineError)
    except FileNotFoundError:
        return None
    return content if content.object("key").content == key else None


def keep(kind: str, key: Key, values: Mapping[str, Any]) -> None:
    """Keep *values* under *key*; a cache that cannot be written is no error."""
    path = place(kind, key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps({"key": key, **values}, indent=2).encode())
