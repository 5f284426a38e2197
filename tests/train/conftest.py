"""What training's tests share: eight drawn people, and one thread for torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from drawn import draw_set

from poseapp.core.skeleton import COCO_17
from poseapp.train.people import Person, read_coco


@pytest.fixture(autouse=True, scope="package")
def _one_torch_thread() -> Iterator[None]:
    """The networks are so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def figures(tmp_path: Path) -> list[Person]:
    """Eight drawn people in COCO's joints."""
    return read_coco(draw_set(tmp_path / "set"), tmp_path / "set" / "images", COCO_17)
