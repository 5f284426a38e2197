"""Recordings of a session: true times, whatever the model and the source do."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import decoded, packets
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from sessions import (
    in_state,
    lines,
    next_result,
    running,
    the_recording,
)

from poseapp.core.errors import RecordError
from poseapp.core.types import ImageArray
from poseapp.live import session as session_module
from poseapp.live.recording import Recorder, RecordOptions


class TimedCamera(FlakyCamera):
    """Remembers when each picture came."""

    def __init__(self, fps: float) -> None:
        super().__init__([], fps)
        self.times: list[float] = []

    def read(self) -> tuple[ImageArray, float] | None:
        item = super().read()
        assert item is not None
        self.times.append(item[1])
        return item


def test_a_recording_lasts_as_long_as_it_took_while_inference_is_slow(tmp_path: Path) -> None:
    """30 pictures a second come in, 10 are worked on: time on the video is time on the wall."""
    camera = TimedCamera(30)
    load = Loader(delay_s=0.1)
    with running(camera, load) as session:
        next_result(session)
        begun = time.monotonic()
        folder = session.start_recording(RecordOptions(folder=tmp_path))
        runs = time.monotonic()
        wait_until(lambda: (r := session.status().recording) is not None and r.seconds >= 2.5)
        least_s = time.monotonic() - runs
        session.stop_recording()
        most_s = time.monotonic() - begun
        wait_until(lambda: (r := session.status().recording) is not None and not r.active)
    pts, duration = packets(folder / "annotated.mkv")
    written = lines(folder)
    steps = np.diff(pts)
    assert (steps > 0).all()
    assert len(pts) == len(written) == len(decoded(folder / "annotated.mkv"))
    assert np.median(steps) > 0.09  # 10 fps, or less where the machine is busy
    # The pictures' times are those at which the camera gave them: there is a first one from which all others follow.
    frames = np.array([line["frame"] for line in written])
    given = np.array(camera.times)
    errors = [np.abs(given[frames + first] - given[first] - pts).max() for first in range(len(given) - frames[-1])]
    assert min(errors) < 2e-3
    # And the whole lasts as long as on the wall, to within a frame and its wait: the first picture may have been in the
    # network when the recording began, the last one when it ended.
    frame_s = float(steps.max()) + 1 / 30
    assert least_s - 2 * frame_s < duration < most_s + 2 * frame_s


def test_a_recording_may_begin_before_the_first_frame(tmp_path: Path) -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(MarkerSource(), load, record=tmp_path) as session:
        status = session.status().recording
        assert status is not None
        assert status.active
        assert status.frames == 0
        load.gates["a"].set()
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
    folder = the_recording(tmp_path)
    assert lines(folder)[0]["t"] == 0.0
    content = json.loads((folder / "session.json").read_text())
    assert [m["model"]["name"] for m in content["models"]] == ["a"]
    assert content["source"]["name"] == "marker figure"
    assert content["source"]["actual"] == {"width": 640, "height": 360, "fps": 30.0, "codec": ""}


def test_recorded_joints_are_the_figures_own_in_frame_px(tmp_path: Path) -> None:
    source = MarkerSource(seconds=2.0)
    with running(source, realtime=False, record=tmp_path) as session:
        assert session.wait(30)
    found = 0
    for line in lines(the_recording(tmp_path)):
        for person in line["people"]:
            found += 1
            np.testing.assert_allclose(np.array(person["keypoints"])[:, :2], source.truth(line["frame"] / 30), atol=0.5)
    assert found >= 54


def test_a_recording_after_another_gets_its_own_folder_and_time(tmp_path: Path) -> None:
    with running(MarkerSource()) as session:
        folders = []
        for _ in range(2):
            next_result(session)
            folders.append(session.start_recording(RecordOptions(folder=tmp_path)))
            wait_until(lambda: (r := session.status().recording) is not None and r.folder == folders[-1] and r.frames > 3)
    assert folders[0] != folders[1]
    for folder in folders:
        assert lines(folder)[0] == {**lines(folder)[0], "frame": 0, "t": 0.0}
        assert json.loads((folder / "session.json").read_text())["finished"] is True


def test_an_output_folder_that_cannot_be_written_leaves_the_session_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with running(MarkerSource()) as session:
        next_result(session)
        with pytest.raises(RecordError, match="cannot be written"):
            session.start_recording(RecordOptions(folder=tmp_path / "file" / "below"))
        assert session.status().recording is None
        next_result(session)
        assert session.status().state == "running"


def test_a_source_that_is_left_while_the_folder_is_made_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(MarkerSource()) as session:

        def slow_disk(*arguments: Any, **options: Any) -> Recorder:
            session.set_source(MarkerSource((480, 480)))
            return Recorder(*arguments, **options)

        monkeypatch.setattr(session_module, "Recorder", slow_disk)
        with pytest.raises(RecordError, match=r"the source was changed just now\. Start the recording again\."):
            session.start_recording(RecordOptions(folder=tmp_path))
        assert session.status().recording is None
    wait_until(lambda: not any(tmp_path.iterdir()))  # nothing was recorded, so nothing stays


def test_an_ended_source_cannot_be_recorded(tmp_path: Path) -> None:
    with running(MarkerSource(seconds=0.1)) as session:
        wait_until(in_state(session, "ended"))
        with pytest.raises(RecordError, match=r"^recording: marker figure gives no pictures \(ended\)\. Choose a source first"):
            session.start_recording(RecordOptions(folder=tmp_path / "out"))
        assert not (tmp_path / "out").exists()
