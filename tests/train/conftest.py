"""What training's tests share: eight drawn people, and one thread for torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import draw_set
from torch_threads import one_torch_thread

from poseapp.core.skeleton import COCO_17
from poseapp.train.data.annotations import Person, read_coco

__all__ = ["one_torch_thread"]


@pytest.fixture
def figures(tmp_path: Path) -> list[Person]:
    """Eight drawn people in COCO's joints."""
    return read_coco(draw_set(tmp_path / "set"), tmp_path / "set" / "images", COCO_17)
