"""Times out of timestamps as files have them: joined, equal, missing, huge; and the numbers of pictures that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import grey_clip, is_picture

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources import VideoSource
from poseapp.live.sources.decoding import packets_of
from poseapp.live.sources.timeline import AFTER_S, Timeline


def times(stamps: Sequence[float | None], period_s: float = 0.1, joined: bool = False) -> list[float]:
    timeline = Timeline(period_s, joined)
    return [timeline.at(None if stamp is None else Fraction(stamp).limit_denominator(10**6)) for stamp in stamps]


def test_times_begin_at_zero_however_large_the_first_one_is() -> None:
    assert times([5, 5.1, 5.3]) == pytest.approx([0, 0.1, 0.3])
    timeline = Timeline(0.04)
    ticks = [timeline.at((10**18 + n) * Fraction(1, 90_000)) for n in range(3)]
    assert ticks == pytest.approx([0, 1 / 90_000, 2 / 90_000], abs=1e-9)
    assert times([-3, -2.9]) == pytest.approx([0, 0.1])


def test_joined_pieces_go_on_one_period_after_the_last_picture() -> None:
    assert times([7, 7.1, 7.2, 7.3, 7.4, 7.5, 0, 0.1, 0.2]) == pytest.approx([n / 10 for n in range(9)])
    assert times([0, 0.1, 0.2, 0.3, 0.4, 0.5] * 3) == pytest.approx([n / 10 for n in range(18)])


def test_a_leap_is_a_joint_only_where_pieces_may_be_joined() -> None:
    assert times([0, 0.1, 5000, 5000.1], joined=True) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert times([0, 0.1, 5000, 5000.1]) == pytest.approx([0, 0.1, 5000, 5000.1])  # a screen on which nothing moved
    assert times([0, 0.1, 9.0], joined=True) == pytest.approx([0, 0.1, 9.0])
    assert times([0, 0.1, 1e9]) == pytest.approx([0, 0.1, 0.2])


def test_pictures_of_one_time_stay_there() -> None:
    """Two of each, as a container that counts milliseconds has them of 2,000 a second: nothing adds up."""
    got = times([n // 2 / 1000 for n in range(4000)], period_s=1 / 2000)
    assert (np.diff(got) > 0).all()
    np.testing.assert_allclose(got, [n // 2 / 1000 for n in range(4000)], atol=1e-5)


def test_a_few_in_a_wrong_order_do_not_lengthen_the_clip() -> None:
    got = times([0, 0.3, 0.1, 0.2, 0.4, 0.7, 0.5, 0.6, 0.8])
    assert (np.diff(got) > 0).all()
    assert got[-1] == pytest.approx(0.8)
    assert got[2] == got[1] + AFTER_S


def test_missing_timestamps_follow_the_rate() -> None:
    assert times([None, None, None]) == pytest.approx([0, 0.1, 0.2])
    assert times([1, None, 1.2, None, None, 1.5]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_timestamps_that_stand_still_are_no_timestamps() -> None:
    got = times([0.0] * 100)
    assert got[-1] > 1.0


def test_a_piece_that_is_begun_anew_goes_on() -> None:
    timeline = Timeline(0.1)
    got = [timeline.at(Fraction(n, 10)) for n in range(3)]
    timeline.restart()
    got += [timeline.at(Fraction(n, 10)) for n in range(3)]
    assert got == pytest.approx([n / 10 for n in range(6)])


# -- in files ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[list[ImageArray], list[float], list[int], VideoSource]:
    """Pictures, times and places of a file, and its source after the last one."""
    source = VideoSource(path)
    source.open()
    pictures, ts, places = [], [], []
    while (item := source.read()) is not None:
        pictures.append(item[0])
        ts.append(item[1])
        places.append(source.place)
    source.close()
    return pictures, ts, places, source


def test_files_that_were_put_together_byte_by_byte_play_in_one_piece(tmp_path: Path) -> None:
    first = grey_clip(tmp_path / "1.ts", [n / 30 for n in range(20)]).read_bytes()
    second = grey_clip(tmp_path / "2.ts", [n / 30 for n in range(10)]).read_bytes()
    later = grey_clip(tmp_path / "3.ts", [5000 + n / 30 for n in range(10)]).read_bytes()
    (tmp_path / "joined.ts").write_bytes(first + second + later)
    pictures, ts, places, source = read(tmp_path / "joined.ts")
    assert [is_picture(p, n) for p, n in zip(pictures, [*range(20), *range(10), *range(10)], strict=True)] == [True] * 40
    np.testing.assert_allclose(ts, np.arange(40) / 30, atol=5e-3)
    assert places == list(range(40))
    assert source.unreadable == 0


def test_a_clock_that_wraps_is_no_joint(tmp_path: Path) -> None:
    """MPEG-TS counts 33 bits of 1/90,000 s: 26.5 hours."""
    _, ts, _, _ = read(grey_clip(tmp_path / "a.ts", [95440 + n / 30 for n in range(120)]))
    np.testing.assert_allclose(ts, np.arange(120) / 30, atol=2e-3)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "libx264"), ("b.avi", "mpeg4"), ("a.mp4", "libx264"), ("a.ts", "libx264")])
def test_pictures_that_are_stored_in_another_order(name: str, codec: str, tmp_path: Path) -> None:
    path = moving_clip(tmp_path / name, codec, bf="2", g="12")
    _, ts, places, source = read(path)
    assert len(ts) == 40
    assert (np.diff(ts) > 0.03).all()
    assert ts[-1] == pytest.approx(39 / 30, abs=0.05)
    assert places == list(range(40))
    assert source.unreadable == 0


def moving_clip(path: Path, codec: str = "libx264", pix_fmt: str = "yuv420p", **options: str) -> Path:
    """Forty pictures in which a disc moves over noise: nothing to be guessed from the picture before."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 96, 128, pix_fmt
        stream.options = options
        for n in range(40):
            image = random.integers(0, 60, (96, 128, 3), dtype=np.uint8)
            cv2.circle(image, (10 + 2 * n, 48), 9, (60, 200, 230), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def damaged(path: Path, packets: range, whole: bool = True) -> Path:
    """*path* with the content of these packets overwritten, counted in the order of the file."""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    content = bytearray(path.read_bytes())
    for at, size in places[packets.start : packets.stop]:
        begin = at if whole else at + size // 2
        content[begin + 8 : at + size] = bytes(at + size - begin - 8)
    path.write_bytes(content)
    return path


def test_pictures_that_cannot_be_decoded_leave_a_gap_where_they_were(tmp_path: Path) -> None:
    path = damaged(moving_clip(tmp_path / "a.avi", "mjpeg", "yuvj420p"), range(5, 15))
    _, ts, places, source = read(path)
    assert places == [*range(5), *range(15, 40)]
    assert source.unreadable == 10
    np.testing.assert_allclose(ts, np.array(places) / 30, atol=1e-6)


@pytest.mark.parametrize(("first", "last"), [(0, 4), (36, 40)])
def test_also_at_the_beginning_and_at_the_end(first: int, last: int, tmp_path: Path) -> None:
    path = damaged(moving_clip(tmp_path / "a.avi", "mjpeg", "yuvj420p"), range(first, last))
    _, _, places, source = read(path)
    assert set(places) == set(range(40)) - set(range(first, last))
    assert source.unreadable == 4
    assert source.place == 40  # the one after the last


def test_a_picture_and_those_that_lean_on_it(tmp_path: Path) -> None:
    path = damaged(moving_clip(tmp_path / "a.mp4", "libx264", g="10", bf="0"), range(20, 21))
    _, ts, places, source = read(path)
    assert len(ts) + source.unreadable == 40
    assert source.unreadable >= 1
    np.testing.assert_allclose(ts, np.array(places) / 30, atol=1e-3)


def test_a_file_that_is_cut_off_says_how_many_are_missing(tmp_path: Path) -> None:
    content = moving_clip(tmp_path / "a.mkv", "libx264", g="5").read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2])
    _, ts, _, source = read(tmp_path / "a.mkv")
    assert 5 < len(ts) < 35
    assert len(ts) + source.unreadable == pytest.approx(40, abs=3)


def test_a_gap_in_time_is_not_damage(tmp_path: Path) -> None:
    """Screens and phones are recorded at a varying rate."""
    _, ts, places, source = read(grey_clip(tmp_path / "a.mkv", [*(n / 30 for n in range(30)), 4.0, 4.2, 9.0]))
    assert ts[-1] == pytest.approx(9.0, abs=1e-3)
    assert places == list(range(33))
    assert source.unreadable == 0


def test_a_recording_that_begins_in_the_middle_has_lost_nothing(tmp_path: Path) -> None:
    content = moving_clip(tmp_path / "a.ts", "libx264", g="10", bf="0").read_bytes()
    (tmp_path / "a.ts").write_bytes(content[188 * (len(content) // 188 // 3) :])
    _, _, places, source = read(tmp_path / "a.ts")
    assert places == list(range(len(places)))
    assert source.unreadable == 0


def test_a_stream_that_begins_in_mid_file_does_not_end_the_clip(tmp_path: Path) -> None:
    """As at the next programme of a broadcast: sound comes in, or goes."""
    first = moving_clip(tmp_path / "1.ts", "libx264", g="10", bf="0").read_bytes()
    # Another version of the tables, or nobody would read them again.
    with av.open(str(tmp_path / "2.ts"), "w", options={"tables_version": "5"}) as container:
        video: Any = container.add_stream("libx264", rate=30)
        video.height, video.width, video.pix_fmt = 96, 128, "yuv420p"
        sound: Any = container.add_stream("mp2", rate=48_000)
        for n in range(30):
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16", layout="stereo")
            noise.sample_rate, noise.pts = 48_000, 1152 * n
            container.mux(sound.encode(noise))
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((96, 128, 3), 60, np.uint8), format="bgr24")))
        container.mux(video.encode(None))
    (tmp_path / "both.ts").write_bytes(first + (tmp_path / "2.ts").read_bytes())
    _, ts, _, _ = read(tmp_path / "both.ts")
    assert len(ts) == pytest.approx(70, abs=3)
    assert (np.diff(ts) > 0).all()


def test_pyav_may_stumble_over_a_stream_that_it_does_not_know() -> None:
    rest = iter([1, 2, IndexError("list index out of range"), 3])

    def demux(_stream: Any) -> Iterator[Any]:
        for item in rest:
            if isinstance(item, Exception):
                raise item
            yield item

    stream = SimpleNamespace(codec_context=object(), disposition=0)
    container = SimpleNamespace(streams=SimpleNamespace(video=[stream]), demux=demux)
    assert list(packets_of(container)) == [1, 2, 3]


def test_mutated_files_end_in_a_source_error_or_not_at_all(tmp_path: Path) -> None:
    random, said = np.random.default_rng(7), list[str]()
    for name in ("a.ts", "a.mp4", "a.mkv", "a.avi", "a.flv"):
        whole = moving_clip(tmp_path / name).read_bytes()
        for _ in range(20):
            content = bytearray(whole)
            for at in random.integers(0, random.choice([300, len(content)]), 8):
                content[at] = random.integers(256)
            (tmp_path / name).write_bytes(content)
            try:
                _, ts, places, _ = read(tmp_path / name)
            except SourceError as error:
                said.append(str(error))
                continue
            assert (np.diff(ts) > 0).all()
            assert (np.diff(places) > 0).all()
    assert all(message.isprintable() for message in said)
