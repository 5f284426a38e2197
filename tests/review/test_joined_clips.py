"""A recording in several segments is shown as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from clips import decoded
from saved import FPS, frame_with, record

from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.review.player import RecordingPlayer


def test_the_annotated_videos_of_all_segments_are_shown_as_one(tmp_path: Path) -> None:
    def skeleton(number: int) -> object:
        return COCO_17 if number < 4 or number >= 9 else MPII_16

    results = [frame_with(i, {1: 30.0}, skeleton=COCO_17 if i < 4 or i >= 9 else MPII_16) for i in range(12)]
    folder = record(tmp_path, results)
    parts = [decoded(folder / name) for name in ("annotated.mkv", "annotated-2.mkv", "annotated-3.mkv")]
    assert [len(part) for part in parts] == [4, 5, 3]
    player = RecordingPlayer(folder)
    player.playback.pause()
    assert player.is_drawn
    state = player.playback.state()
    assert state.count == 12
    assert abs(state.duration_s - 11 / FPS) < 2e-3
    pictures = [image for part in parts for image in part]
    for number in (11, 0, 4, 3, 8, 9, 5):
        shown = player.result(number)
        assert shown.poses.skeleton == skeleton(number)
        assert abs(shown.frame.t - number / FPS) < 2e-3
        np.testing.assert_array_equal(shown.frame.image, pictures[number])
        np.testing.assert_allclose(shown.poses.xy[0], results[number].poses.xy[0], atol=0.006)
    player.close()


def test_a_segment_whose_video_is_gone_leaves_the_others(tmp_path: Path) -> None:
    results = [frame_with(i, {1: 30.0}, skeleton=COCO_17 if i < 4 else MPII_16) for i in range(8)]
    folder = record(tmp_path, results)
    (folder / "annotated.mkv").unlink()
    player = RecordingPlayer(folder)
    assert player.playback.state().count == 4
    assert player.result(0).poses.skeleton == MPII_16
    player.close()
