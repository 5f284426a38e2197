"""Composed crowds: the person is cut out whole, and as many are pasted as asked for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import decoded

from poseapp.bench.crowd import Crowd, main, places
from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import VideoWriter

HW = (180, 320)


def picture(t: float) -> ImageArray:
    """A blue post of 20 × 100 px in the middle of a grey room with a brown floor, which leans over in time."""
    image = np.full((*HW, 3), (150, 150, 150), np.uint8)
    image[130:] = (60, 90, 120)
    lean = 10 * np.sin(t)
    corners = np.array([[150, 140], [170, 140], [170 + lean, 40], [150 + lean, 40]])
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], (200, 60, 20))
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    writer = VideoWriter(tmp_path / "post.mkv", HW)
    for n in range(30):
        writer.write(picture(n / 15), n / 15)
    writer.close()
    return tmp_path / "post.mkv"


@pytest.fixture
def crowd(clip: Path) -> Crowd:
    return Crowd(clip, HW, start_s=0.5, seconds=1.0, stands=(0.42, 0.58))


def blue(image: ImageArray) -> int:
    return int((image.astype(int)[..., 0] > image[..., 2].astype(int) + 80).sum())


def test_the_room_has_nobody_in_it(crowd: Crowd) -> None:
    assert blue(crowd.room) == 0
    np.testing.assert_allclose(crowd.room[60, 160], 150, atol=6)


@pytest.mark.parametrize("people", [1, 2, 5, 10])
def test_there_are_as_many_people_as_asked_for(crowd: Crowd, people: int) -> None:
    image = crowd.picture(3, people)
    spots = (image.astype(int)[..., 0] > image[..., 2].astype(int) + 80).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(spots)
    large = [stats[i] for i in range(1, count) if stats[i][cv2.CC_STAT_AREA] > 60]
    assert len(large) == people
    heights = sorted(float(s[cv2.CC_STAT_HEIGHT]) for s in large)
    want = sorted(height for _, _, height, _ in places(people, HW))
    np.testing.assert_allclose(heights, want, rtol=0.12)


def test_ten_stand_in_two_rows_the_rear_one_smaller_and_painted_first() -> None:
    heights = [height for _, _, height, _ in places(10, HW)]
    assert heights == sorted(heights)
    assert heights[0] == heights[4] < heights[5] == heights[9]


def test_people_are_apart_in_what_they_do_and_pictures_are_made_again_alike(crowd: Crowd) -> None:
    assert len({delay for *_, delay in places(10, HW)}) == 10
    np.testing.assert_array_equal(crowd.picture(5, 5), crowd.picture(5, 5))
    assert (crowd.picture(5, 5) != crowd.picture(9, 5)).any()


def test_the_command_writes_a_clip(repo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(repo_root / "assets" / "demo.mp4"), str(tmp_path / "crowd.mkv"), "--people", "2"])
    assert "wrote" in capsys.readouterr().out
    pictures = decoded(tmp_path / "crowd.mkv")
    assert len(pictures) >= 20
    assert pictures[0].shape == (720, 1280, 3)


def test_a_clip_that_is_too_short_is_told(clip: Path) -> None:
    with pytest.raises(SourceError, match=r"post\.mkv: expected pictures at 60 s and later"):
        Crowd(clip, HW, start_s=60.0)
