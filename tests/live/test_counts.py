"""What a recording counts: every captured frame is somewhere, however slow model and encoder are."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import decoded, packets
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from sessions import A, lines, next_result
from test_recorder import NOWHERE, manifest, result

from poseapp.core.types import ImageArray
from poseapp.live.recording import Recorder, RecordOptions
from poseapp.live.recording.lane import Lane
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.session import Session
from poseapp.live.stats import Stats
from poseapp.live.status import ModelRequest


class CountingCamera(FlakyCamera):
    """Remembers the time of each picture."""

    def __init__(self, fps: float) -> None:
        super().__init__([], fps)
        self.times: list[float] = []

    def read(self) -> tuple[ImageArray, float] | None:
        item = super().read()
        assert item is not None
        self.times.append(item[1])
        return item


class MoodyEncoder:
    """Puts a random pause before each picture of every video."""

    def __init__(self, rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most_s = rng.choice([0.0, 0.01, 0.05, 0.3])
        real = VideoWriter.write

        def write(writer: VideoWriter, image: ImageArray, t: float) -> None:
            time.sleep(rng.uniform(0, self.most_s))
            real(writer, image, t)

        monkeypatch.setattr(VideoWriter, "write", write)


def counts_of(folder: Path) -> dict[str, int]:
    content: dict[str, int] = manifest(folder)["counts"]
    return content


def check(folder: Path, first_to_last: int, clean: bool) -> dict[str, int]:
    """The counts of *folder* agree with each other, with the source's own and with what is in the files."""
    counts = counts_of(folder)
    written = lines(folder)
    assert counts["analysed"] + counts["not_analysed"] == first_to_last == counts["captured"]
    assert counts["analysed"] == counts["written"] + counts["lost"]
    assert counts["written"] == len(written)
    if written:
        pts, _ = packets(folder / "annotated.mkv")
        np.testing.assert_allclose(pts, [line["t"] for line in written], atol=2e-3)
    assert counts["clean_written"] + counts["clean_lost"] == (first_to_last if clean else 0)
    if counts["clean_written"]:
        assert len(decoded(folder / "clean.mkv")) == counts["clean_written"]
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_every_captured_frame_is_counted_live(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    MoodyEncoder(rng, monkeypatch)
    camera = CountingCamera(rng.choice([30.0, 100.0]))
    load, clean = Loader(delay_s=rng.choice([0.0, 0.02, 0.1])), rng.random() < 0.7
    captured: list[int] = []
    real = Recorder.capture

    def capture(recorder: Recorder, frame: Any) -> None:
        if recorder.taking:
            captured.append(frame.index)
        real(recorder, frame)

    monkeypatch.setattr(Recorder, "capture", capture)
    session = Session(camera, ModelRequest(A), load=load)
    session.start()
    try:
        next_result(session)
        folder = session.start_recording(RecordOptions(folder=tmp_path, clean_video=clean))
        wait_until(lambda: len(captured) > 30)
        session.stop_recording()
    finally:
        session.stop()
    counts = counts_of(folder)
    # The last one may have come just when the recording was closed.
    assert counts["captured"] in (len(captured), len(captured) - 1)
    assert captured == list(range(captured[0], captured[0] + len(captured))), "the camera's frames come without a gap"
    check(folder, counts["captured"], clean)


@pytest.mark.parametrize("clean", [False, True])
def test_every_frame_of_a_file_is_analysed_and_written(clean: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MoodyEncoder(random.Random(3), monkeypatch)
    session = Session(MarkerSource(seconds=1.0), ModelRequest(A), load=Loader(delay_s=0.01), realtime=False)
    folder = session.start_recording(RecordOptions(folder=tmp_path, clean_video=clean))
    session.start()
    assert session.wait(60)
    session.stop()
    counts = check(folder, 30, clean)
    assert (counts["analysed"], counts["written"], counts["clean_written"]) == (30, 30, 30 if clean else 0)


def test_the_clean_video_does_not_wait_for_the_model(tmp_path: Path) -> None:
    """The camera gives 30 pictures a second and the model looks at five: the clean video has all of them at their own times."""
    camera = CountingCamera(30.0)
    load = Loader(delay_s=0.2)
    session = Session(camera, ModelRequest(A), load=load)
    session.start()
    try:
        next_result(session)
        folder = session.start_recording(RecordOptions(folder=tmp_path, clean_video=True))
        wait_until(lambda: (r := session.status().recording) is not None and r.counts.captured >= 60)
    finally:
        session.stop()
    counts = check(folder, counts_of(folder)["captured"], clean=True)
    assert counts["clean_written"] >= 60 - counts["clean_lost"]
    assert counts["analysed"] < counts["captured"] / 3
    pts, _ = packets(folder / "clean.mkv")
    given = np.array(camera.times)
    if not counts["clean_lost"]:
        errors = [
            np.abs(given[first : first + len(pts)] - given[first] - pts).max() for first in range(len(given) - len(pts) + 1)
        ]
        assert min(errors) < 2e-3


def test_the_clean_video_goes_on_while_a_model_is_loaded(tmp_path: Path) -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    session = Session(CountingCamera(60.0), ModelRequest(A), load=load)
    folder = session.start_recording(RecordOptions(folder=tmp_path, clean_video=True))
    session.start()
    try:
        wait_until(lambda: (r := session.status().recording) is not None and r.counts.clean_written >= 10)
        status = session.status().recording
        assert status is not None
        assert status.counts.analysed == 0
        load.gates["a"].set()
        wait_until(lambda: (r := session.status().recording) is not None and r.counts.written >= 3)
    finally:
        load.gates["a"].set()
        session.stop()
    check(folder, counts_of(folder)["captured"], clean=True)
    assert lines(folder)[0]["frame"] >= 10, "both files count from the first captured frame"


def test_a_frame_from_before_the_recording_is_no_part_of_it(tmp_path: Path) -> None:
    """It was in the network when the user pressed Record."""
    recorder = Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats(), lossless=True)
    recorder.put(result(4, 4 / 30))
    recorder.capture(result(5, 5 / 30).frame)
    recorder.put(result(4, 4 / 30))
    recorder.put(result(5, 5 / 30))
    recorder.close()
    recorder.put(result(5, 5 / 30))
    assert recorder.join(20)
    assert [line["frame"] for line in lines(recorder.folder)] == [0]
    assert counts_of(recorder.folder)["analysed"] == 1


def test_an_encoder_that_fails_leaves_no_frame_uncounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = VideoWriter.write

    def write(self: VideoWriter, image: ImageArray, t: float) -> None:
        if t > 0.3:
            raise OSError(5, "Input/output error")
        real(self, image, t)

    monkeypatch.setattr(VideoWriter, "write", write)
    recorder = Recorder(RecordOptions(folder=tmp_path, clean_video=True), NOWHERE, Stats())
    for n in range(60):
        one = result(n, n / 30)
        recorder.capture(one.frame)
        recorder.put(one)
        time.sleep(0.005)
    recorder.close()
    assert recorder.join(20)
    counts = counts_of(recorder.folder)
    assert counts["analysed"] == counts["written"] + counts["lost"] > 0
    assert counts["captured"] == counts["clean_written"] + counts["clean_lost"]
    assert counts["lost"] or counts["clean_lost"]


def test_a_lane_gives_or_counts_what_was_put() -> None:
    """Whenever it is closed and ended, by whichever thread."""
    for seed in range(20):
        rng = random.Random(seed)
        lane: Lane[int] = Lane(lossless=rng.random() < 0.5)
        came: list[int] = []
        stop_after = rng.choice([5, 1000])

        def take(lane: Lane[int] = lane, came: list[int] = came, stop_after: int = stop_after) -> None:
            for item in lane.items():
                if item is not None:
                    came.append(item)
                if len(came) == stop_after:
                    break
            lane.end()

        thread = threading.Thread(target=take)
        thread.start()
        for n in range(200):
            lane.put(n, 1000)
        lane.close()
        thread.join(20)
        assert not thread.is_alive()
        assert len(came) + lane.lost == 200
        assert came == sorted(came)


def test_the_summary_says_all_counts(tmp_path: Path) -> None:
    recorder = Recorder(RecordOptions(folder=tmp_path, clean_video=True), NOWHERE, Stats(), lossless=True)
    for n in range(6):
        one = result(n, n / 30)
        recorder.capture(one.frame)
        if n % 2 == 0:
            recorder.put(one)
    recorder.close()
    assert recorder.join(20)
    text = "6 captured, 3 analysed, 3 written, 6 in the clean video, 0 lost by the recorder"
    assert recorder.status().summary.startswith(text)
    assert json.loads((recorder.folder / "session.json").read_text())["counts"]["not_analysed"] == 3
