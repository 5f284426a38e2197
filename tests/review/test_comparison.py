"""Another recording at the moment that belongs to the one that plays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from movers import recorded, walker
from recordings import SOURCE, make_recording

from poseapp.review.comparison import Comparison
from poseapp.review.player import RecordingPlayer


@pytest.fixture
def players(tmp_path: Path) -> Iterator[tuple[RecordingPlayer, RecordingPlayer]]:
    both = [RecordingPlayer(make_recording(tmp_path, frames=n, name=name)) for n, name in ((60, "A"), (30, "B"))]
    yield both[0], both[1]
    for player in both:
        player.close()


def test_pictures_of_both_come_together_and_the_shorter_one_waits_at_its_ends(
    players: tuple[RecordingPlayer, RecordingPlayer],
) -> None:
    own, other = players
    comparison = own.comparison = Comparison(own, other, 0.3)
    comparison.offset_s = -0.5  # the other one begins half a second later
    own.start()
    for number, expected in ((0, 0), (15, 0), (20, 5), (44, 29), (59, 29)):
        own.playback.seek(number)
        own.playback.pause()
        result = own.take(20.0)
        while result is not None and result.frame.index != number:
            result = own.take(20.0)
        assert result is not None
        assert result.beside is not None
        assert result.beside.frame.index == expected
        np.testing.assert_allclose(result.beside.poses.xy[0], SOURCE.truth(expected / 30), atol=0.006)


def test_it_is_moved_by_pictures_and_stops_at_the_ends(players: tuple[RecordingPlayer, RecordingPlayer]) -> None:
    comparison = Comparison(*players, 0.3)

    def at(t: float) -> int:
        result = comparison.at(t)
        assert result is not None
        return result.frame.index

    t = players[0].time_of(10)
    assert at(t) == 10
    comparison.step(3, t)
    assert at(t) == 13
    assert at(players[0].time_of(11)) == 14
    comparison.step(-40, t)
    assert at(t) == 0
    comparison.step(1, t)
    assert at(t) == 1


def test_after_close_it_gives_nothing_and_nobody_reads_meanwhile(players: tuple[RecordingPlayer, RecordingPlayer]) -> None:
    comparison = Comparison(*players, 0.3)
    comparison._lock.acquire()
    closing = threading.Thread(target=comparison.close)
    closing.start()
    assert players[1].result(0) is not None  # not closed under a reader
    comparison._lock.release()
    closing.join(20)
    assert not closing.is_alive()
    assert comparison.at(0.0) is None


def test_who_is_seen_longest_is_compared_by_size_and_gait(tmp_path: Path) -> None:
    t = np.arange(241) / 30
    xy, score = walker(t, 110)
    wider, _ = walker(t, 110, swing_deg=30)
    seldom = score.copy()
    seldom[100:] = 0.0
    a = recorded(tmp_path / "a", t, (xy, score))
    b = recorded(tmp_path / "b", t, (xy / 2, score))
    c = recorded(tmp_path / "c", t, (wider, score))
    players = [RecordingPlayer(folder) for folder in (a, b, c)]
    try:
        alike, other = Comparison(players[0], players[1], 0.3), Comparison(players[0], players[2], 0.3)
        assert (alike.beside.own, alike.beside.other) == (1, 1)
        assert alike.beside.size_ratio == pytest.approx(2.0, rel=1e-3)
        assert alike.beside.is_drawn
        assert alike.gait is not None
        assert alike.gait.overall == pytest.approx(0.0, abs=0.2)
        assert other.gait is not None
        assert other.gait.overall > 2
    finally:
        for player in players:
            player.close()


def test_who_does_not_walk_has_no_gait(players: tuple[RecordingPlayer, RecordingPlayer]) -> None:
    assert Comparison(*players, 0.3).gait is None
