"""The clip that the app shows first: the pose drawn on it has no leg where no leg is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseapp.core.anatomy import implausible
from poseapp.core.types import Frame
from poseapp.engine.load import load_engine
from poseapp.engine.store import default_engines_dir, find_model
from poseapp.live.sources import VideoSource
from poseapp.pipeline.modes import make_estimator, open_detector
from poseapp.render import DrawOptions

FIRST, STEP = 340, 2  # from here on the person walks up to the camera, and the legs leave the picture


def test_no_leg_of_the_demo_is_drawn_above_the_hips(demo_clip: Path) -> None:
    """Nobody kicks in it. The default model puts an ankle on the raised hand at times, which is not drawn."""
    store = default_engines_dir()
    engine = load_engine(find_model(store, None, "cpu").folder, "cpu", precision="fp32")
    looker, source = make_estimator("one", engine, open_detector(store)), VideoSource(demo_clip)
    source.open()
    index = drawn = 0
    while (item := source.read()) is not None:
        index += 1
        if index < FIRST or index % STEP:
            continue
        frame = Frame(np.ascontiguousarray(item[0]), index, item[1])
        poses = looker.estimate(frame).poses
        skeleton = poses.skeleton
        for xy, score in zip(poses.xy, poses.score, strict=True):
            visible = score >= DrawOptions().threshold
            visible &= ~implausible(skeleton, xy, visible, frame.hw)
            hips = xy[[skeleton.index("left_hip"), skeleton.index("right_hip")], 1].mean()
            legs = [k for k, name in enumerate(skeleton.keypoints) if name.endswith(("knee", "ankle")) and visible[k]]
            assert all(xy[k, 1] > hips for k in legs), f"frame {index}"
            drawn += len(legs)
    source.close()
    engine.close()
    assert drawn > 100
