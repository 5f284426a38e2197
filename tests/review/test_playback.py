"""Playback says which picture is due: by a clock of the test's own, so nothing depends on time."""

from __future__ import annotations

import threading

import pytest

from poseapp.review.playback import Move, Playback

TIMES = [n / 10 for n in range(20)]  # 10 pictures a second


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(repeat: bool = False, **more: bool) -> tuple[Playback, Clock]:
    """A playback whose first picture was given."""
    clock = Clock()
    playback = Playback(repeat, clock=clock, **more)
    playback.load(TIMES)
    assert playback.next(0) == Move(0, False)
    return playback, clock


def numbers(playback: Playback, clock: Clock, seconds: float, step_s: float = 0.01) -> list[int]:
    """The pictures that are due in the next *seconds*, asked for each *step_s*."""
    given = []
    for _ in range(round(seconds / step_s)):
        clock.now += step_s
        while (move := playback.next(0)) is not None:
            given.append(move.number)
    return given


def test_each_picture_comes_at_its_time_and_the_end_stands_still() -> None:
    playback, clock = begun()
    assert numbers(playback, clock, 0.55) == [1, 2, 3, 4, 5]
    assert numbers(playback, clock, 9) == list(range(6, 20))
    assert not playback.state().playing
    playback.toggle()  # at the end: from the beginning
    assert playback.next(0) == Move(0, True)
    assert playback.state().playing


def test_a_clip_that_repeats_begins_again_and_nobody_is_forgotten() -> None:
    playback, clock = begun(repeat=True)
    clock.now += 0.001
    assert numbers(playback, clock, 2.35) == [*range(1, 20), 0, 1, 2, 3]
    playback.seek(19)
    assert playback.next(0) == Move(19, True)
    clock.now += 0.1001
    assert playback.next(0) == Move(0, False, repeated=True)  # no jump


def test_pause_and_steps_stand_still() -> None:
    playback, clock = begun()
    numbers(playback, clock, 0.35)
    playback.pause()
    assert numbers(playback, clock, 5) == []
    playback.step(1)
    assert playback.next(0) == Move(4, False)
    playback.step(-1)
    playback.step(-1)  # two keys before the picture came: two steps
    assert playback.next(0) == Move(2, False)
    playback.play()
    assert numbers(playback, clock, 0.25) == [3, 4]
    playback.step(1)
    assert not playback.state().playing


def test_the_newest_seek_wins_and_a_far_one_is_a_jump() -> None:
    playback, clock = begun()
    for number in (3, 7, 12):
        playback.seek(number)
    assert playback.next(0) == Move(12, True)
    assert playback.state().number == 12
    playback.seek(15)
    assert playback.next(0) == Move(15, False)
    playback.seek(10**9)
    assert playback.next(0) == Move(19, False)
    playback.seek(-5)
    assert playback.next(0) == Move(0, True)
    playback.seek_time(0.69)
    assert playback.next(0) == Move(6, True)
    assert numbers(playback, clock, 0.15) == [7]


def test_slow_and_fast() -> None:
    playback, clock = begun()
    playback.set_speed(0.1)
    assert numbers(playback, clock, 2.05) == [1, 2]
    playback.set_speed(2)
    assert numbers(playback, clock, 0.26) == [3, 4, 5, 6, 7]
    playback.set_speed(99)
    assert playback.state().speed == 2


def test_fast_playing_leaves_pictures_out_where_the_reader_is_slow_and_real_speed_does_not() -> None:
    playback, clock = begun()
    playback.set_speed(2)
    assert numbers(playback, clock, 0.6, step_s=0.2)[0] == 4
    playback, clock = begun()
    assert numbers(playback, clock, 0.93, step_s=0.31) == list(range(1, 10))


def test_after_a_hiccup_the_clip_goes_on_from_where_it_was() -> None:
    playback, clock = begun()
    clock.now += 60
    assert playback.next(0) == Move(1, False)
    assert playback.next(0) is None
    assert numbers(playback, clock, 0.15) == [2]


def test_loop_from_a_to_b() -> None:
    playback, clock = begun()
    playback.seek(4)
    playback.next(0)
    playback.mark_a()
    playback.seek(7)
    playback.next(0)
    playback.mark_b()
    clock.now += 0.001
    assert numbers(playback, clock, 0.7) == [4, 5, 6, 7, 4, 5, 6]
    state = playback.state()
    assert (state.loop_a, state.loop_b) == (4, 7)
    playback.clear_loop()
    assert numbers(playback, clock, 0.4) == [7, 8, 9, 10]


def test_a_loop_has_its_end_after_its_beginning() -> None:
    playback, _ = begun(playing=False)
    for number, mark in ((9, playback.mark_a), (4, playback.mark_b)):
        playback.seek(number)
        playback.next(0)
        mark()
    assert (playback.state().loop_a, playback.state().loop_b) == (0, 4)
    playback.seek(6)
    playback.next(0)
    playback.mark_a()
    assert (playback.state().loop_a, playback.state().loop_b) == (6, None)
    playback.clear_loop()
    playback.seek(0)
    playback.next(0)
    playback.mark_b()
    assert (playback.state().loop_a, playback.state().loop_b) == (None, None)


def test_backwards_and_faster_with_the_same_key() -> None:
    playback, clock = begun()
    playback.seek(10)
    playback.next(0)
    playback.shuttle(-1)
    assert numbers(playback, clock, 0.35) == [9, 8, 7]
    playback.shuttle(-1)
    assert playback.state().speed == 2
    assert numbers(playback, clock, 2) == [6, 5, 4, 3, 2, 1, 0]
    assert not playback.state().playing
    playback.shuttle(1)
    assert playback.state().speed == 1
    assert numbers(playback, clock, 0.15) == [1]


def test_before_a_clip_is_loaded_nothing_can_be_asked_for() -> None:
    playback = Playback(clock=Clock())
    for command in (playback.toggle, playback.play, playback.mark_a, playback.mark_b, lambda: playback.seek(3)):
        command()
    playback.step(1)
    playback.seek_time(2)
    assert playback.state().count == 0
    assert playback.time_of(3) == 0.0


@pytest.mark.parametrize("command", ["seek", "play"])
def test_a_command_wakes_the_reader(command: str) -> None:
    playback = Playback(playing=False)
    playback.load(TIMES)
    playback.next(0)
    given: list[Move | None] = []
    reader = threading.Thread(target=lambda: given.append(playback.next(60)))
    reader.start()
    if command == "seek":
        playback.seek(5)
    else:
        playback.play()
    reader.join(20)
    assert not reader.is_alive()
    assert given[0] is not None
