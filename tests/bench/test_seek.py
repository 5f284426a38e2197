"""The benchmark of seeking measures what it says: every seek shows its picture, from a key picture that is near."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from poseapp.bench.seek import SEEKS, STEPS, make_recording, percentiles, run_seek
from poseapp.core.errors import RecordError
from poseapp.live.recording.video_writer import KEY_PICTURES
from poseapp.review.saved_recording import SavedRecording


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_clip: Path) -> Path:
    """A recording of four seconds."""
    folder = tmp_path_factory.mktemp("seek") / "made"
    make_recording(folder, demo_clip, 4 / 60)
    return folder


def test_every_seek_arrives_and_is_counted(folder: Path) -> None:
    report = run_seek(folder)
    assert report.pictures == 120
    assert report.minutes == pytest.approx(119 / 30 / 60, abs=1e-4)
    assert report.bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert len(report.far_ms) == len(report.far_processor_ms) == SEEKS
    assert 0 < len(report.back_ms) <= STEPS
    assert report.far_ms == tuple(sorted(report.far_ms))
    assert report.far_ms[0] > 0
    assert "to any place" in report.table()


def test_a_seek_decodes_no_more_than_a_second(folder: Path) -> None:
    with av.open(str(folder / "clean.mkv")) as container:
        keys = [n for n, packet in enumerate(p for p in container.demux(video=0) if p.size) if packet.is_keyframe]
    assert KEY_PICTURES == 30
    assert keys[0] == 0
    assert np.diff([*keys, 120]).max() <= KEY_PICTURES


def test_the_recording_is_one_of_the_app(folder: Path) -> None:
    recording = SavedRecording.read(folder)
    assert recording.remarks == ()
    (part,) = recording.parts
    assert len(part.frames) == 120
    assert part.fps == pytest.approx(30, abs=0.01)


def test_percentiles_of_sorted_times() -> None:
    times = tuple(float(n) for n in range(100))
    assert percentiles(times) == (50.0, 95.0)
    assert percentiles((7.0,)) == (7.0, 7.0)


def test_what_cannot_be_played_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no recording"):
        run_seek(tmp_path)
