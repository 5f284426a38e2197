"""What a video file says about its pictures: how they lie, how wide a pixel is, which colours the numbers mean."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from corners import ONE, ORIENTED, alike, clip_of, corners, oriented, set_display_matrix

from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sources import Mode, VideoSource
from poseapp.live.sources.frames import square, turned


def first(path: Path) -> tuple[Mode, ImageArray]:
    source = VideoSource(path)
    mode = source.open()
    item = source.read()
    source.close()
    assert item is not None
    return mode, item[0]


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("orientation", list(ORIENTED))
def test_a_video_is_shown_as_its_matrix_says_and_so_is_its_size(orientation: int, suffix: str, tmp_path: Path) -> None:
    path = set_display_matrix(clip_of(tmp_path / f"clip.{suffix}", corners()), ORIENTED[orientation][1])
    mode, image = first(path)
    expected = oriented(corners(), orientation)
    assert alike(image, expected)
    assert (mode.height, mode.width) == expected.shape[:2]
    assert image.flags.c_contiguous


def test_a_stream_may_carry_the_matrix_beside_its_pictures(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        stream.set_display_rotation(-90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(), format="bgr24")))
        container.mux(stream.encode(None))
    assert alike(first(path)[1], oriented(corners(), 6))


@pytest.mark.parametrize(
    ("abcd", "orientation"),
    [((0, 0, 0, 0), 1), ((1, 0, 0, 1), 1), ((-1, 0, 0, -1), 3), ((9 * ONE, 2 * ONE, -2 * ONE, 9 * ONE), 1), ((3, 60, -60, 3), 6)],
    ids=["nothing", "tiny", "tiny, turned", "a little askew", "nearly upright"],
)
def test_the_nearest_of_the_eight_ways_is_taken(abcd: tuple[int, int, int, int], orientation: int) -> None:
    assert (turned(corners(), abcd) == oriented(corners(), orientation)).all()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "h264"])
@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (107, 48)), (Fraction(1, 2), (80, 96)), (Fraction(1), (80, 48))])
def test_pixels_are_square(aspect: Fraction, size: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    path = clip_of(tmp_path / f"clip.{suffix}", corners(), 30, tags={"sample_aspect_ratio": aspect})
    mode, image = first(path)
    assert (mode.width, mode.height) == size == image.shape[1::-1]


def test_pixels_are_made_square_before_they_are_turned(tmp_path: Path) -> None:
    path = clip_of(tmp_path / "clip.mp4", corners((48, 96)), tags={"sample_aspect_ratio": Fraction(3, 2)})
    mode, _ = first(set_display_matrix(path, ORIENTED[6][1]))
    assert (mode.width, mode.height) == (48, 144)


def test_a_pixel_of_a_shape_that_cannot_be_is_square() -> None:
    assert square(640, 480, Fraction(1000, 1)) == square(640, 480, Fraction(1, 1000)) == square(640, 480, None) == (640, 480)


# FFmpeg's number of the matrix for its scaler, and for a tag.
MATRICES = {"BT.601": (5, 6), "BT.709": (1, 1), "BT.2020": (9, 9)}
RED = (40, 60, 220)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(MATRICES))
@pytest.mark.parametrize("hw", [(720, 1280), (96, 128)], ids=["HD", "small"])
def test_colours_are_those_of_the_tags_at_every_size(hw: tuple[int, int], matrix: str, full: bool, tmp_path: Path) -> None:
    scaler, tag = MATRICES[matrix]
    tags = {"colorspace": tag, "color_range": 2 if full else 1}
    path = clip_of(tmp_path / "clip.mkv", np.full((*hw, 3), RED, np.uint8), 1, matrix=scaler, full=full, tags=tags)
    np.testing.assert_allclose(first(path)[1][30, 30], RED, atol=6)


@pytest.mark.parametrize(("hw", "scaler"), [((720, 1280), 1), ((1280, 720), 1), ((576, 720), 5), ((96, 128), 5)])
def test_untagged_colours_are_taken_as_players_do(hw: tuple[int, int], scaler: int, tmp_path: Path) -> None:
    path = clip_of(tmp_path / "clip.mkv", np.full((*hw, 3), RED, np.uint8), 1, matrix=scaler)
    np.testing.assert_allclose(first(path)[1][30, 30], RED, atol=6)


@pytest.mark.parametrize("tag", [3, 8, 12, 14], ids=["reserved", "YCgCo", "derived", "ICtCp"])
def test_a_tag_that_the_scaler_does_not_know_does_not_end_the_clip(tag: int, tmp_path: Path) -> None:
    path = clip_of(tmp_path / "clip.mkv", corners(), tags={"colorspace": tag})
    assert first(path)[1].shape == (48, 80, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mkv", "libx264rgb", "rgb24"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.mkv", "ffv1", "yuv444p10le"),
    ],
)
def test_formats_that_carry_their_own_colours(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = clip_of(tmp_path / name, corners(), codec=codec, pix_fmt=pix_fmt, full=pix_fmt == "yuvj420p")
    assert alike(first(path)[1], corners())


# -- what recordings say -----------------------------------------------------------------------------------------------


def as_a_player(path: Path, matrix: int) -> Any:
    """The colour at the middle of the first picture, for a player that takes the numbers to be of *matrix*."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        bgr = frame.reformat(format="bgr24", src_colorspace=matrix, src_color_range=1).to_ndarray()
        return bgr[bgr.shape[0] // 2, bgr.shape[1] // 2], int(frame.colorspace), int(frame.color_range)


@pytest.mark.parametrize(("hw", "guessed", "tag"), [((720, 1280), 1, 1), ((1280, 720), 1, 1), ((480, 640), 5, 6)])
def test_a_recording_is_red_for_players_that_go_by_tags_or_by_size(
    hw: tuple[int, int], guessed: int, tag: int, tmp_path: Path
) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", hw)
    for n in range(3):
        writer.write(np.full((*hw, 3), (0, 0, 250), np.uint8), n / 30)
    writer.close()
    colour, matrix, colour_range = as_a_player(tmp_path / "a.mkv", guessed)
    np.testing.assert_allclose(colour, (0, 0, 250), atol=6)
    assert (matrix, colour_range) == (tag, 1)


def rates(path: Path) -> tuple[float, int]:
    """Rate and number of pictures as OpenCV reads them, which believes the header."""
    import cv2

    video = cv2.VideoCapture(str(path))
    found = video.get(cv2.CAP_PROP_FPS), round(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return found


@pytest.mark.parametrize("actual", [0.0, 30.0, 120.0, 1e9, 1e-9])
@pytest.mark.parametrize("fps", [1, 5, 24, 60, 240])
def test_the_header_says_the_rate_that_the_pictures_had(fps: int, actual: float, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", (48, 64), actual)
    for n in range(60):
        writer.write(np.zeros((48, 64, 3), np.uint8), n / fps)
    writer.close()
    read, pictures = rates(tmp_path / "a.mkv")
    assert read == pytest.approx(fps, rel=0.03)
    assert abs(pictures - 60) <= 1


def test_a_rate_too_low_for_the_header_is_left_out(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", (48, 64), 30)
    for n in range(4):
        writer.write(np.zeros((48, 64, 3), np.uint8), 10.0 * n)
    writer.close()
    content = (tmp_path / "a.mkv").read_bytes()
    assert b"\x23\xe3\x83" not in content
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert [float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None] == [0, 10, 20, 30]


def test_a_file_that_was_never_closed_says_the_rate_of_its_source(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", (48, 64), 5)
    for n in range(20):
        writer.write(np.zeros((48, 64, 3), np.uint8), n / 5)
    (tmp_path / "killed.mkv").write_bytes((tmp_path / "a.mkv").read_bytes())
    writer.close()
    assert rates(tmp_path / "killed.mkv")[0] == pytest.approx(5, rel=0.01)


@pytest.mark.parametrize("fps", [1500, 4000])
def test_times_of_more_than_a_thousand_pictures_a_second_do_not_add_up(fps: int, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", (48, 64), fps)
    for n in range(fps // 5):
        writer.write(np.zeros((48, 64, 3), np.uint8), n / fps)
    writer.close()
    with av.open(str(tmp_path / "a.mkv")) as container:
        times = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None]
    np.testing.assert_allclose(times, np.arange(fps // 5) / fps, atol=3.1e-3)
    source = VideoSource(tmp_path / "a.mkv")
    source.open()
    read = []
    while (item := source.read()) is not None:
        read.append(item[1])
    source.close()
    assert (np.diff(read) > 0).all()
    np.testing.assert_allclose(read, np.arange(fps // 5) / fps, atol=3.2e-3)
