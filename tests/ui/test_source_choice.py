"""Which camera a remembered choice means."""

from __future__ import annotations

from poseapp.live.sources import Camera
from poseapp.ui.source_choice import SourceChoice, find_camera


def test_a_camera_is_known_by_its_make_and_then_by_its_place() -> None:
    logitech = SourceChoice("camera", "/dev/video2", "Logitech (2)")
    built_in, first, second = Camera(2, "Built-in", 0, "/dev/video2"), Camera(0, "Logitech (1)"), Camera(4, "Logitech (2)")
    assert find_camera(logitech, [built_in]) is None, "another camera has its place now"
    assert find_camera(logitech, [built_in, first, second]) is second
    alone = Camera(2, "Logitech", 0, "/dev/video2")
    assert find_camera(logitech, [Camera(0, "Built-in"), alone]) is alone, "its twin is gone, and the number with it"
