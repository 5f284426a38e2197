"""ClipReader gives the same pictures as playing the file does, in any order."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import brightness, grey_clip

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sources import VideoSource
from poseapp.review import clip_reader
from poseapp.review.clip_reader import ClipReader, NotSeekableError


def played(path: Path, most: int = 1000) -> tuple[list[ImageArray], list[float]]:
    """The pictures and times of the file as VideoSource plays them."""
    source = VideoSource(path)
    source.open()
    images: list[ImageArray] = []
    times: list[float] = []
    try:
        while len(images) < most and (item := source.read()) is not None:
            images.append(item[0].copy())
            times.append(item[1])
    finally:
        source.close()
    return images, times


def recorder_clip(path: Path, count: int = 150, hw: tuple[int, int] = (96, 128)) -> Path:
    """A video by the recorder's own writer with uneven times; each picture shows its number as grey and noise."""
    writer = VideoWriter(path, hw, 30)
    noise = np.random.default_rng(1)
    t = 0.0
    for n in range(count):
        image = np.full((*hw, 3), brightness(n), np.uint8)
        image[:8, :8] = noise.integers(0, 255, (8, 8, 3), np.uint8)
        writer.write(image, t)
        t += 0.033 if n % 3 else 0.05
    writer.close()
    return path


@pytest.mark.parametrize("kind", ["recorder", "mp4", "demo", "ts"])
def test_any_order_gives_the_pictures_that_playing_gives(kind: str, tmp_path: Path, demo_clip: Path) -> None:
    if kind == "recorder":
        path = recorder_clip(tmp_path / "a.mkv")
    elif kind == "demo":
        path = demo_clip
    else:
        path = grey_clip(tmp_path / f"a.{kind}", [n / 30 for n in range(80)])
    images, times = played(path, most=120)
    reader = ClipReader(path)
    try:
        assert len(reader) >= len(images)
        np.testing.assert_allclose(reader.times_s[: len(times)], times, atol=2e-3)
        order = random.Random(3).sample(range(len(images)), 25)
        for number in [*order, 5, 4, 3, 4, 5, len(images) - 1, 0]:
            np.testing.assert_array_equal(reader.picture(number), images[number], err_msg=str(number))
    finally:
        reader.close()


def test_steps_back_are_answered_from_the_pictures_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One decoding of the pictures before a place serves all single steps back to it."""
    reader = ClipReader(recorder_clip(tmp_path / "a.mkv"))
    reader.picture(29)
    seeks: list[int] = []
    decode_from = reader._decode_from

    def counted(key: int) -> Iterator[Any]:
        seeks.append(key)
        return decode_from(key)

    monkeypatch.setattr(reader, "_decode_from", counted)
    for number in range(28, -1, -1):
        reader.picture(number)
    assert seeks == []
    reader.close()


def test_few_pictures_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorder_clip(tmp_path / "a.mkv")
    monkeypatch.setattr(clip_reader, "MOST_CACHED_BYTES", 10 * 96 * 128 * 3 // 2)
    reader = ClipReader(path)
    for number in range(100):
        reader.picture(number)
    assert len(reader._cache) == 10
    reader.close()


def test_a_video_without_times_says_that_it_can_only_be_played(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "a.mkv", [n / 30 for n in range(20)])
    bare = tmp_path / "a.h264"
    with av.open(str(path)) as source, av.open(str(bare), "w", format="h264") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(NotSeekableError, match="from its beginning only"):
        ClipReader(bare)


@pytest.mark.parametrize("content", [b"", b"no video at all", None])
def test_what_is_no_video_is_refused_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        ClipReader(path)
    assert "\n" not in str(error.value)


def test_a_file_cut_off_gives_its_last_whole_picture(tmp_path: Path) -> None:
    path = recorder_clip(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    images, _ = played(path)
    reader = ClipReader(path)
    try:
        assert 0 < len(images) <= len(reader) <= len(images) + 1
        np.testing.assert_array_equal(reader.picture(len(reader) - 1), images[-1])
        np.testing.assert_array_equal(reader.picture(3), images[3])
    finally:
        reader.close()


def test_close_from_another_thread_does_not_pull_the_file_from_under_a_read(tmp_path: Path) -> None:
    reader = ClipReader(recorder_clip(tmp_path / "a.mkv"))

    def close_often() -> None:
        for _ in range(50):
            reader.close()

    thread = threading.Thread(target=close_often)
    thread.start()
    errors = 0
    for number in range(140, 0, -7):
        try:
            reader.picture(number)
        except SourceError:
            errors += 1
    thread.join()
    assert errors <= 20
    reader.close()
    with pytest.raises(SourceError, match="not open"):
        reader.picture(0)
