"""Several cameras: one clock for their recordings, and the offset of their pictures as it is."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest
from fakes import FlakyCamera, wait_until
from sessions import lines, next_result, running

from poseapp.core.errors import RecordError
from poseapp.live.recording import RecordOptions
from poseapp.live.together import TimeOffset, offsets, record_together, time_offset

SECOND = [n / 30 for n in range(300)]


def test_the_offset_of_two_cameras() -> None:
    offset = time_offset(SECOND, [t + 0.007 for t in SECOND])
    assert offset is not None
    assert offset.median_s == pytest.approx(0.007)
    assert offset.spread_s == pytest.approx(0.0, abs=1e-9)
    assert str(offset) == "+7 ms, ± 0"


def test_the_nearest_picture_counts_whichever_comes_first() -> None:
    offset = time_offset(SECOND, [t + 0.030 for t in SECOND])  # 3.3 ms before the next one
    assert offset is not None
    assert offset.median_s == pytest.approx(-0.0033, abs=1e-4)


def test_cameras_that_drift_have_a_spread() -> None:
    offset = time_offset(SECOND, [n / 29 for n in range(290)])
    assert offset is not None
    assert offset.spread_s > 0.006


def test_jitter_is_spread_and_no_offset() -> None:
    noise = random.Random(3)
    offset = time_offset(SECOND, [t + 0.005 + noise.uniform(-0.002, 0.002) for t in SECOND])
    assert offset is not None
    assert offset.median_s == pytest.approx(0.005, abs=3e-4)
    assert 0.0005 < offset.spread_s < 0.0015


@pytest.mark.parametrize("other", [[], SECOND[:4], [t + 100 for t in SECOND]])
def test_where_there_is_nothing_to_compare_no_offset_is_made_up(other: list[float]) -> None:
    assert time_offset(SECOND, other) is None


def test_pictures_that_the_other_camera_has_not_got_yet_do_not_count() -> None:
    offset = time_offset(SECOND, [t + 0.001 for t in SECOND[:100]])
    assert offset is not None
    assert (offset.median_s, offset.spread_s) == pytest.approx((0.001, 0.0), abs=1e-9)


def test_recorded_with_one_clock(tmp_path: Path, repo_root: Path) -> None:
    with running(FlakyCamera([], fps=60)) as first, running(FlakyCamera([], fps=60)) as second:
        for session in (first, second):
            next_result(session)
        folders = record_together([first, second], RecordOptions(folder=tmp_path, name="Squats"))
        wait_until(lambda: all((r := s.status().recording) is not None and r.frames > 10 for s in (first, second)))
        captured = [list(session.capture_times) for session in (first, second)]
        found = offsets([first, second])
    assert found[0] == TimeOffset(0.0, 0.0)
    assert found[1] is not None
    assert [folder.name.split(" ", 1)[1] for folder in folders] == ["Squats 1 flaky camera", "Squats 2 flaky camera"]
    schema = json.loads((repo_root / "docs" / "session.schema.json").read_text(encoding="utf-8"))
    contents = [json.loads((folder / "session.json").read_text()) for folder in folders]
    for content in contents:
        jsonschema.Draft202012Validator(schema).validate(content)
        assert content["together"] == contents[0]["together"]
    entries = contents[0]["together"]
    assert [entry["recording"] for entry in entries] == [folder.name for folder in folders]
    assert entries[1]["offset_ms"] == pytest.approx(1e3 * found[1].median_s, abs=0.06)
    starts = [datetime.fromisoformat(content["started"].replace("Z", "+00:00")) for content in contents]
    assert abs((starts[1] - starts[0]).total_seconds()) < 0.01, "t = 0 is the same moment"
    # The capture times less those in the files are the moment of t = 0: the same one for both cameras.
    zeros = []
    for folder, times in zip(folders, captured, strict=True):
        written = [line["t"] for line in lines(folder)]
        zeros.append({round(t - w, 3) for t in times for w in written})
    assert zeros[0] & zeros[1]
    assert all(lines(folder)[0]["t"] >= 0 for folder in folders)


def test_where_one_camera_cannot_be_recorded_none_is(tmp_path: Path) -> None:
    with running(FlakyCamera([])) as first, running(FlakyCamera([])) as second:
        for session in (first, second):
            next_result(session)
        second.stop()
        with pytest.raises(RecordError, match="flaky camera gives no pictures"):
            record_together([first, second], RecordOptions(folder=tmp_path))
        wait_until(lambda: (r := first.status().recording) is not None and not r.active)


def test_alone_a_recording_begins_with_its_first_frame(tmp_path: Path) -> None:
    with running(FlakyCamera([]), record=tmp_path) as session:
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
    (folder,) = tmp_path.iterdir()
    content = json.loads((folder / "session.json").read_text())
    assert "together" not in content
    assert lines(folder)[0]["t"] < 0.5
