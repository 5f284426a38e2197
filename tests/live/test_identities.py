"""Identities begin at 1 with each source and each recording, and a clip that is repeated has no new people."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from clips import grey_clip
from fakes import FlakyCamera, MarkerSource, wait_until
from sessions import hold_on_to_somebody, lines, next_result, running

from poseapp.core.types import FloatArray, ImageArray, Result
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import FolderSource, Mode, VideoSource
from poseapp.live.worker import Worker


class StandingStill(FlakyCamera):
    def __init__(self, script: list[int | None]) -> None:
        super().__init__(script)
        self._images = self._images[:1]


class Round(MarkerSource):
    """A clip of *seconds* that is repeated. Somebody goes from left to right: nobody can be followed over its end."""

    def __init__(self, seconds: float = 0.7) -> None:
        super().__init__((360, 640), fps=30.0)
        self._length, self.round = round(seconds * self.fps), 0

    def open(self) -> Mode:
        self.round = 0
        return super().open()

    def read(self) -> tuple[ImageArray, float] | None:
        self.round = self._count // self._length
        item = super().read()
        time.sleep(0.004)  # two hundred frames a second are enough for any machine
        return item

    def truth(self, t: float) -> FloatArray:
        step = round(t * self.fps) % self._length
        still: FloatArray = super().truth(0.0)
        return still + np.array([-200 + 400 * step / self._length, 0], np.float32)


def results(session: Session, until_frame: int) -> list[Result]:
    found = [next_result(session)]
    while found[-1].frame.index < until_frame:
        found.append(next_result(session))
    return found


@pytest.mark.parametrize("realtime", [False, True])
def test_a_clip_that_is_repeated_has_no_new_people(realtime: bool) -> None:
    with running(Round(), realtime=realtime) as session:
        ids = [one.poses.ids.tolist() for one in results(session, 21 * 4)]
    assert sum(map(bool, ids)) > len(ids) / 3
    assert {identity for one in ids for identity in one} == {1}


def test_a_person_who_is_held_is_held_in_the_next_round() -> None:
    with running(Round()) as session:
        hold_on_to_somebody(session)
        index = next_result(session).frame.index
        later = results(session, index + 21 * 3)
    assert {one.locked for one in later} == {1}
    assert sum(one.poses.ids.tolist() == [1] for one in later) > len(later) / 3


def test_smoothing_begins_anew_with_each_round() -> None:
    """Or else the joints would be drawn on their way back from the end of the clip."""
    from poseapp.core.smoothing import SmoothRule

    source = Round()
    with running(source, realtime=False) as session:
        session.settings.smoothing = SmoothRule(min_cutoff_hz=0.2, beta=0.0)
        after = [one for one in results(session, 21 * 5) if one.frame.index >= 21 and one.frame.index % 21 == 0]
        assert after
        for one in after:
            if len(one.poses):
                np.testing.assert_allclose(one.shown.xy, one.poses.xy, atol=0.01)


def test_each_recording_counts_from_one(tmp_path: Path) -> None:
    with running(StandingStill([])) as session:
        wait_until(lambda: len(next_result(session).poses) > 0)
        for _ in range(2):
            serving = session._models.serving
            assert serving is not None
            serving.estimator.tracker.next_id += 7  # as if people had come and gone
            serving.estimator.tracker._tracks[0].identity += 7
            wait_until(lambda: any(next_result(session).poses.ids > 7))
            folder = session.start_recording(RecordOptions(folder=tmp_path))
            wait_until(lambda: (r := session.status().recording) is not None and r.folder == folder and r.frames > 5)  # noqa: B023
            session.stop_recording()
            wait_until(lambda: (r := session.status().recording) is not None and not r.active)
            assert {person["id"] for line in lines(folder) for person in line["people"]} == {1}


def test_a_source_counts_from_one_while_the_recording_before_finishes_its_files(tmp_path: Path) -> None:
    with running(FlakyCamera([])) as session:
        wait_until(lambda: len(next_result(session).poses) > 0)
        session.start_recording(RecordOptions(folder=tmp_path))
        serving = session._models.serving
        assert serving is not None
        serving.estimator.tracker.next_id += 7
        session.set_source(FlakyCamera([]))  # which finishes the recording
        last = next_result(session).frame.index
        wait_until(lambda: (one := next_result(session)).frame.index > last + 5 and one.poses.ids.tolist() == [1])


def test_a_repeated_file_says_in_which_round_it_is(tmp_path: Path, sample_picture: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(2):
        (folder / f"{n}.jpg").write_bytes(sample_picture.read_bytes())
    clip = grey_clip(tmp_path / "clip.mkv", [0.0, 0.1])
    for source in (VideoSource(clip, loop=True), FolderSource(folder, loop=True)):
        source.open()
        rounds = []
        for _ in range(6):
            assert source.read() is not None
            rounds.append(source.round)
        assert rounds == [0, 0, 1, 1, 2, 2]
        source.close()
        source.open()
        source.read()
        assert source.round == 0
        source.close()


def test_the_capture_loop_reports_a_further_round_before_its_first_frame() -> None:
    heard: list[object] = []
    source = Round(seconds=0.1)
    events = CaptureEvents(
        frame=lambda frame: heard.append(frame.index),
        opened=lambda _mode: None,
        lost=lambda _error: None,
        ended=lambda: None,
        rewound=lambda: heard.append("again"),
    )
    worker = Worker("capture", lambda stop: capture(source, False, 0, events, stop), lambda _error: None)
    worker.start()
    wait_until(lambda: len(heard) > 9)
    worker.request_stop()
    assert worker.join(10)
    assert heard[:9] == [0, 1, 2, "again", 3, 4, 5, "again", 6]
