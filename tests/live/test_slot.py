"""Slot: newest wins when live, nothing is lost offline, and close wakes both sides."""

from __future__ import annotations

import threading

import pytest
from fakes import wait_until

from poseapp.live.slot import Slot


def test_newest_wins_and_the_replaced_are_counted() -> None:
    slot: Slot[int] = Slot()
    for i in range(5):
        assert slot.put(i)
    assert slot.take(0) == 4
    assert slot.dropped == 4
    assert slot.take(0) is None
    slot.put(9)
    assert slot.take(0) == 9
    assert slot.dropped == 4


def test_take_waits_for_an_item() -> None:
    slot: Slot[int] = Slot()
    threading.Timer(0.05, slot.put, [7]).start()
    assert slot.take(10) == 7


def test_lossless_put_waits_until_the_place_is_free() -> None:
    slot: Slot[int] = Slot(lossless=True)
    done: list[bool] = []

    def give() -> None:
        done.extend(slot.put(i) for i in range(100))

    giver = threading.Thread(target=give)
    giver.start()
    assert [slot.take(10) for _ in range(100)] == list(range(100))
    giver.join(10)
    assert done == [True] * 100
    assert slot.dropped == 0


def test_close_wakes_a_waiting_taker() -> None:
    slot: Slot[int] = Slot()
    got: list[int | None] = []
    taker = threading.Thread(target=lambda: got.append(slot.take()))
    taker.start()
    slot.close()
    taker.join(10)
    assert got == [None]


@pytest.mark.parametrize("end", ["close", "drain"])
def test_closing_wakes_a_waiting_giver_and_its_item_is_refused(end: str) -> None:
    slot: Slot[int] = Slot(lossless=True)
    slot.put(1)
    answers: list[bool] = []
    giver = threading.Thread(target=lambda: answers.append(slot.put(2)))
    giver.start()
    left = None
    if end == "drain":
        left = slot.drain()
    else:
        slot.close()
    giver.join(10)
    assert not giver.is_alive()
    # The giver may have come after the end; it is refused either way.
    assert answers == [False]
    assert left == (1 if end == "drain" else None)


def test_after_close_what_is_there_can_still_be_taken() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    slot.close()
    assert slot.closed
    assert not slot.put(2)
    assert slot.take() == 1
    assert slot.take() is None


def test_drain_gives_the_item_to_one_side_only() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    assert slot.drain() == 1
    assert slot.take() is None
    assert slot.drain() is None


def test_many_givers_and_takers_neither_lose_nor_double_an_item() -> None:
    slot: Slot[int] = Slot(lossless=True)
    got: list[int] = []

    def take() -> None:
        while (item := slot.take()) is not None:
            got.append(item)

    takers = [threading.Thread(target=take) for _ in range(3)]
    givers = [threading.Thread(target=lambda i=i: [slot.put(i * 100 + j) for j in range(100)]) for i in range(3)]
    for thread in takers + givers:
        thread.start()
    for giver in givers:
        giver.join(20)
    wait_until(lambda: len(got) == 300)
    slot.close()
    for taker in takers:
        taker.join(10)
    assert sorted(got) == list(range(300))
