"""What needs an NVIDIA GPU: `pytest tests/gpu` runs all of it, and skips with the reason where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

# The contract of every engine, and the tiny model, are those of the other tests.
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "engine"), str(Path(__file__).resolve().parents[1])]
