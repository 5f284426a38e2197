"""The capture loop: times, indices, back-off and the way out."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from fakes import FlakyCamera, MarkerSource

from poseapp.core.errors import SourceError
from poseapp.core.types import Frame, ImageArray
from poseapp.live import capture as capture_module
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.sources import Mode, Source


class Heard:
    """Everything the loop says; stops it after *most* frames."""

    def __init__(self, most: int = 10_000) -> None:
        self.frames: list[Frame] = []
        self.at: list[float] = []
        self.opened: list[Mode] = []
        self.lost: list[str] = []
        self.ended = 0
        self.stop = threading.Event()
        self._most = most

    def run(self, source: Source, realtime: bool, first_index: int = 0) -> None:
        events = CaptureEvents(frame=self._frame, opened=self.opened.append, lost=self.lost.append, ended=self._ended)
        capture(source, realtime, first_index, events, self.stop)

    def _frame(self, frame: Frame) -> None:
        self.at.append(time.monotonic())
        self.frames.append(frame)
        if len(self.frames) == self._most:
            self.stop.set()

    def _ended(self) -> None:
        self.ended += 1


def test_offline_a_file_is_read_as_fast_as_it_goes_in_its_own_time() -> None:
    heard = Heard()
    source = MarkerSource((36, 64), fps=10, seconds=20)
    begun = time.monotonic()
    heard.run(source, realtime=False)
    assert time.monotonic() - begun < 10
    assert [f.index for f in heard.frames] == list(range(200))
    np.testing.assert_allclose([f.t for f in heard.frames], np.arange(200) / 10)
    assert heard.ended == 1


def test_in_real_time_a_file_plays_at_its_own_speed() -> None:
    heard = Heard()
    begun = time.monotonic()
    heard.run(MarkerSource((36, 64), fps=50, seconds=1.0), realtime=True)
    took = time.monotonic() - begun
    assert 0.95 < took < 5
    # Never before it is due, and stamped with when it was due on the monotonic clock.
    due = np.array([f.t for f in heard.frames])
    assert (np.array(heard.at) >= due - 1e-4).all()
    assert due[0] >= begun
    assert np.median(np.diff(due)) == pytest.approx(0.02, abs=1e-6)


class MadeUpTime(threading.Event):
    """A clock that only waiting for this event, and a slow read, move on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


@pytest.mark.parametrize(("hiccup_s", "behind_s"), [(1.0, 0.98), (0.4, 0.0)])
def test_after_a_long_hiccup_a_file_goes_on_from_there_instead_of_racing(
    monkeypatch: pytest.MonkeyPatch, hiccup_s: float, behind_s: float
) -> None:
    """As on a machine that slept; what is short is caught up with, and the file keeps its time."""
    heard = Heard()
    heard.stop = clock = MadeUpTime()
    monkeypatch.setattr(capture_module, "time", clock)

    class SlowSource(MarkerSource):
        def read(self) -> tuple[ImageArray, float] | None:
            clock.now += hiccup_s if self._count == 5 else 0.0
            return super().read()

    heard.run(SlowSource((36, 64), fps=50, seconds=0.4), realtime=True)
    expected = 100.0 + np.arange(20) / 50
    expected[5:] += behind_s
    np.testing.assert_allclose([f.t for f in heard.frames], expected)


def test_indices_go_on_from_a_given_one() -> None:
    heard = Heard()
    heard.run(MarkerSource((36, 64), seconds=0.1), realtime=False, first_index=40)
    assert [f.index for f in heard.frames] == [40, 41, 42]


def test_a_lost_camera_is_tried_again_with_growing_pauses_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(capture_module, "LONGEST_RETRY_S", 0.2)
    heard = Heard(most=8)
    camera = FlakyCamera([None, None, None, None, None, 3])
    heard.run(camera, realtime=True)
    assert [f.index for f in heard.frames] == list(range(8))
    pauses = np.diff(camera.opens)
    assert (pauses >= np.array([0.05, 0.1, 0.2, 0.2, 0.2, 0.05]) - 1e-3).all()
    assert len(heard.lost) == 6
    assert heard.lost[0] == "flaky camera: cannot be opened. Plug it in. Trying again in 0.05 s."
    # Pictures came in between, so the pauses begin anew.
    assert heard.lost[4].endswith("Trying again in 0.2 s.")
    assert heard.lost[5] == "flaky camera: gives no pictures any more. Check its plug. Trying again in 0.05 s."
    assert camera.closes == len(camera.opens) == 7
    assert heard.opened == [Mode(640, 360, 200, "YUYV")] * 2


def test_the_first_pause_is_short_and_none_is_longer_than_some_seconds() -> None:
    assert 0.1 <= capture_module.FIRST_RETRY_S <= 1.0
    assert capture_module.LONGEST_RETRY_S <= 10.0


def test_a_pause_ends_at_once_when_it_shall_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 60.0)
    heard = Heard()
    camera = FlakyCamera([None] * 100)
    timer = threading.Timer(0.1, heard.stop.set)
    timer.start()
    begun = time.monotonic()
    heard.run(camera, realtime=True)
    assert time.monotonic() - begun < 20


class BrokenFile(MarkerSource):
    closes = 0

    def read(self) -> tuple[ImageArray, float] | None:
        if self._count == 3:
            raise SourceError("file: cannot be read further.")
        return super().read()

    def close(self) -> None:
        self.closes += 1


def test_a_file_that_fails_is_not_tried_again() -> None:
    heard = Heard()
    source = BrokenFile((36, 64))
    with pytest.raises(SourceError, match="cannot be read further"):
        heard.run(source, realtime=False)
    assert len(heard.frames) == 3
    assert heard.ended == 0
    assert heard.lost == []
    assert source.closes == 1
