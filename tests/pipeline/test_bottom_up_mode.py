"""Bottom-up: everybody in one look, by what stand-ins for networks see."""

from __future__ import annotations

import pytest
from painted import (
    BOTTOM_UP,
    PaintedEngine,
    PaintedSource,
    crowd,
    standing,
)
from watching import HW, watched, who_is

from poseapp.core.errors import ModelError
from poseapp.core.skeleton import OPENPOSE_18
from poseapp.core.types import Frame
from poseapp.pipeline.bottom_up import BottomUp


@pytest.mark.parametrize("n", [1, 12])
def test_bottom_up_looks_once_however_many_there_are(n: int) -> None:
    engine = PaintedEngine(BOTTOM_UP)
    source = PaintedSource(crowd(n), seconds=0.3, fps=10)
    results = watched(source, BottomUp(engine))
    assert engine.batches == [1] * 4  # one to see whether it can
    for t, result in results:
        assert all(who_is(joints, result) is not None for joints in source.truth(t).values())
        assert len(result.poses) == n


def test_fields_come_with_the_heatmaps_when_asked_for() -> None:
    looker = BottomUp(PaintedEngine(BOTTOM_UP))
    frame = Frame(PaintedSource([standing(300, 150, 160)], hw=HW).picture(0.0), 0, 0.0)
    assert looker.estimate(frame).heatmaps == ()
    (maps,) = looker.estimate(frame, heatmaps=True).heatmaps
    assert maps.values.shape == (18, 96, 160)
    assert maps.fields is not None
    assert maps.fields.shape == (2 * len(OPENPOSE_18.limbs), 96, 160)


def test_a_network_without_fields_is_told() -> None:
    with pytest.raises(ModelError, match="openpose-s: its graph gives no part affinity fields"):
        BottomUp(PaintedEngine(BOTTOM_UP, fields=False))
