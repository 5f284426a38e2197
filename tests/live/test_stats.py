"""Stats: rates, percentiles and drops of the last seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from poseapp.live.stats import RATES, WINDOW_S, Stats, rate_of


def test_a_steady_rate_is_measured_as_it_is() -> None:
    now = 100.0
    assert rate_of(deque(now - i / 30 for i in reversed(range(80))), now) == pytest.approx(30.0)
    # A source that stopped falls to zero instead of standing still.
    stopped = deque(now - 2.5 - i / 30 for i in reversed(range(10)))
    assert rate_of(stopped, now) < 6
    assert rate_of(deque([now - 10, now - 9.9]), now) == 0.0
    assert rate_of(deque([now]), now) == 0.0


def test_percentiles_by_stage() -> None:
    stats = Stats()
    for ms in range(1, 101):
        stats.add("inference", float(ms))
    stats.add_all({"crop": 2.0, "decode": 4.0})
    snapshot = stats.snapshot({"capture": 3})
    assert snapshot.ms["inference"] == pytest.approx((50.5, 95.05))
    assert snapshot.ms["crop"] == (2.0, 2.0)
    assert snapshot.ms["decode"] == (4.0, 4.0)
    assert "draw" not in snapshot.ms
    assert snapshot.drops == {"capture": 3}


def test_what_is_older_than_the_window_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats()
    stats.add("inference", 1000.0)
    stats.tick("capture")
    later = time.monotonic() + WINDOW_S + 0.1
    monkeypatch.setattr("poseapp.live.stats.time.monotonic", lambda: later)
    snapshot = stats.snapshot({})
    assert "inference" not in snapshot.ms
    assert snapshot.fps["capture"] == 0.0


def test_every_rate_is_there_from_the_start() -> None:
    snapshot = Stats().snapshot({})
    assert dict(snapshot.fps) == dict.fromkeys(RATES, 0.0)
    assert snapshot.memory_mb > 10


def test_a_snapshot_does_not_change_afterwards() -> None:
    stats = Stats()
    drops = {"capture": 1}
    snapshot = stats.snapshot(drops)
    drops["capture"] = 2
    stats.add("crop", 1.0)
    assert snapshot.drops == {"capture": 1}
    assert not snapshot.ms


def test_it_does_not_grow() -> None:
    stats = Stats()
    for _ in range(5000):
        stats.tick("capture")
        stats.add("crop", 1.0)
    assert len(stats._ticks["capture"]) == len(stats._samples["crop"]) == 1024


def test_many_threads_at_once() -> None:
    stats, errors = Stats(), list[Exception]()

    def work() -> None:
        try:
            for _ in range(300):
                stats.tick("inference")
                stats.add("crop", 1.0)
                stats.snapshot({})
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(stats._ticks["inference"]) == len(stats._samples["crop"]) == 900
    assert stats.snapshot({}).ms["crop"] == (1.0, 1.0)


@pytest.mark.parametrize("change", [lambda stats: stats.tick("capture"), lambda stats: stats.add("crop", 2.0), Stats.restart])
def test_nothing_changes_while_a_snapshot_is_taken(change: Callable[[Stats], None]) -> None:
    """In the middle of it another thread comes, which has to wait until it is done."""
    stats, comers = Stats(), list[threading.Thread]()

    class Meddled(deque[Any]):
        def __iter__(self) -> Iterator[Any]:
            items = super().__iter__()
            yield next(items)
            if not comers:
                comers.append(threading.Thread(target=change, args=(stats,)))
                comers[0].start()
                comers[0].join(0.3)
                assert comers[0].is_alive(), "it did not wait"
            yield from items

    now = time.monotonic()
    stats._ticks["capture"] = Meddled([now, now], maxlen=1024)
    stats._samples["crop"] = Meddled([(now, 1.0), (now, 1.0)], maxlen=1024)
    assert stats.snapshot({}).ms["crop"] == (1.0, 1.0)
    comers[0].join(30)
    assert not comers[0].is_alive()
