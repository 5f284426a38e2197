"""Outputs beside a session: newest wins, nobody waits, one line in OUTPUTS is enough."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource, wait_until
from made_up_poses import TOKEN, give, made_up, on, only

from poseapp.core.errors import OutputError
from poseapp.live.outputs import OUTPUTS, OutputAddress, OutputKind, Outputs, OutputSetup, Update, parse_output
from poseapp.live.recording import RecordingMark, RecordOptions
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest


class Notebook:
    """Notes what it gets; waits in ``send`` while the gate is closed, and fails as often as told."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.seconds: list[float] = []
        self.times: list[float] = []
        self.marks: list[RecordingMark] = []
        self.calls: list[str] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.in_send = threading.Event()
        self.failures = 0
        self.error: Exception = OutputError("notebook: full. Buy another one.")

    def make(self, address: OutputAddress, setup: OutputSetup) -> NotebookOutput:
        del address, setup
        return NotebookOutput(self)


class NotebookOutput:
    receiving, news, dropped = True, "", 0

    def __init__(self, book: Notebook) -> None:
        self._book = book

    def open(self) -> None:
        self._note("open")

    def send(self, update: Update) -> bool:
        book = self._book
        book.in_send.set()
        assert book.gate.wait(30)
        if book.failures:
            book.failures -= 1
            raise book.error
        book.frames.append(update.result.frame.index)
        book.seconds.append(update.seconds)
        book.times.append(update.t)
        book.threads.add(threading.get_ident())
        return True

    def mark(self, mark: RecordingMark) -> None:
        self._book.marks.append(mark)

    def close(self) -> None:
        self._note("close")

    def _note(self, call: str) -> None:
        self._book.calls.append(call)
        self._book.threads.add(threading.get_ident())


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """An output joins by one line in the table."""
    book = Notebook()
    kind = OutputKind(label="Notebook", tip="", default="book://mine", make=book.make, is_remote=False)
    monkeypatch.setitem(OUTPUTS, "book", kind)
    return book


def test_while_a_receiver_is_slow_the_newest_frame_waits_and_the_others_are_counted(book: Notebook) -> None:
    with on("book") as outputs:
        book.gate.clear()
        outputs.put(made_up(index=0), 0.0)
        assert book.in_send.wait(20)
        started = time.perf_counter()
        for index in range(1, 101):
            outputs.put(made_up(index=index), float(index))
        took = time.perf_counter() - started
        book.gate.set()
        wait_until(lambda: only(outputs).sent == 2)
        assert book.frames == [0, 100]
        assert only(outputs).dropped == 99
        assert took < 10.0  # the gate opens after that: put waited for nobody
    assert book.calls == ["open", "close"]
    assert len(book.threads) == 1
    assert threading.get_ident() not in book.threads


def test_an_output_that_fails_is_opened_again(book: Notebook) -> None:
    with on("book") as outputs:
        book.failures = 1
        outputs.put(made_up(index=1), 0.0)
        wait_until(lambda: only(outputs).light == "failed")
        assert only(outputs).message == "notebook: full. Buy another one."
        outputs.put(made_up(index=2), 0.0)  # nobody is there: it is neither kept nor counted
        wait_until(lambda: only(outputs).light != "failed")
        assert only(outputs).message == ""
        give(outputs, made_up(index=3))
    assert book.frames == [3]
    assert book.calls == ["open", "close", "open", "close"]


def test_an_output_with_a_mistake_ends_alone(book: Notebook) -> None:
    book.error = ZeroDivisionError("a mistake")
    with on("book") as outputs:
        book.failures = 1
        outputs.put(made_up(), 0.0)
        wait_until(lambda: only(outputs).light == "failed")
        assert "unexpected ZeroDivisionError" in only(outputs).message
    assert book.calls == ["open", "close"]


def test_those_that_stay_go_on(book: Notebook) -> None:
    with on("book://a", "book://b") as outputs:
        outputs.choose([parse_output("book://b"), parse_output("book://c"), parse_output("book://c")])
        wait_until(lambda: all(status.light == "waiting" for status in outputs.status()))
        assert [status.address.name for status in outputs.status()] == ["b", "c"]
        wait_until(lambda: book.calls.count("close") == 1)
        assert book.calls.count("open") == 3


def test_a_new_output_waits_for_the_one_before_which_may_have_its_port(book: Notebook) -> None:
    with on("book://a") as outputs:
        book.gate.clear()
        outputs.put(made_up(), 0.0)
        assert book.in_send.wait(20)
        outputs.choose([parse_output("book://b")])
        threading.Event().wait(0.2)  # one that does not wait is open by then
        assert book.calls == ["open"]
        book.gate.set()
        wait_until(lambda: only(outputs).light == "waiting")
        assert book.calls == ["open", "close", "open"]


def test_seconds_begin_at_the_first_frame_and_never_run_backwards(book: Notebook) -> None:
    with on("book") as outputs:
        for t in (50.0, 50.25, 3.0):
            outputs.put(made_up(), t)
            wait_until(lambda: book.times and book.times[-1] == t)  # noqa: B023 - it is called at once
    assert book.seconds == [0.0, 0.25, 0.0]


def test_a_session_gives_its_frames_and_marks_its_recordings(book: Notebook, tmp_path: Path) -> None:
    outputs = Outputs(token=TOKEN)
    outputs.choose([parse_output("book")])
    wait_until(lambda: only(outputs).light == "waiting")
    session = Session(MarkerSource(), ModelRequest(Path("a")), load=Loader())
    session.outputs = outputs
    session.start()
    try:
        wait_until(lambda: len(book.frames) > 3)
        folder = session.start_recording(RecordOptions(folder=tmp_path))
        wait_until(lambda: book.marks)
        session.stop_recording()
        session.stop_recording()
        wait_until(lambda: len(book.marks) > 1)
    finally:
        session.stop()
        outputs.close()
    begun, ended = book.marks
    assert (begun.recording, ended.recording) == (True, False)
    assert begun.name == ended.name == folder.name
    assert begun.t <= ended.t <= time.monotonic()
    assert book.frames == sorted(book.frames)


def test_the_mark_of_a_beginning_is_the_time_of_the_first_frame(book: Notebook, tmp_path: Path) -> None:
    outputs = Outputs(token=TOKEN)
    outputs.choose([parse_output("book")])
    wait_until(lambda: only(outputs).light == "waiting")
    session = Session(MarkerSource(), ModelRequest(Path("a")), load=Loader())
    session.outputs = outputs
    session.start_recording(RecordOptions(folder=tmp_path))
    session.start()
    try:
        wait_until(lambda: book.times and book.marks)
    finally:
        session.stop()
        outputs.close()
    assert 0.0 <= book.times[0] - book.marks[0].t < 10.0  # frames that the model was too slow for may be between them


def test_a_recording_of_nothing_has_no_marks(book: Notebook, tmp_path: Path) -> None:
    outputs = Outputs(token=TOKEN)
    outputs.choose([parse_output("book")])
    wait_until(lambda: only(outputs).light == "waiting")
    session = Session(MarkerSource(), ModelRequest(Path("a")), load=Loader())
    session.outputs = outputs
    session.start_recording(RecordOptions(folder=tmp_path))
    session.stop()
    outputs.mark(RecordingMark(True, 0.0, "the last word"))
    wait_until(lambda: book.marks)
    outputs.close()
    assert [mark.name for mark in book.marks] == ["the last word"]


def test_a_session_that_is_slow_to_send_shows_each_picture_all_the_same(book: Notebook) -> None:
    outputs = Outputs(token=TOKEN)
    outputs.choose([parse_output("book")])
    wait_until(lambda: only(outputs).light == "waiting")
    book.gate.clear()
    session = Session(MarkerSource(seconds=1.0), ModelRequest(Path("a")), load=Loader(), realtime=False)
    session.outputs = outputs
    session.start()
    try:
        assert session.wait(30)  # all 30 frames are analysed while the receiver hangs in the first one
        assert only(outputs).sent == 0
    finally:
        book.gate.set()
        session.stop()
        outputs.close()


def test_close_waits_for_nobody_who_hangs(book: Notebook) -> None:
    outputs = Outputs(token=TOKEN)
    outputs.choose([parse_output("book")])
    wait_until(lambda: only(outputs).light == "waiting")
    book.gate.clear()
    outputs.put(made_up(), 0.0)
    assert book.in_send.wait(20)
    outputs.close(timeout_s=0.05)
    assert outputs.status() == ()
    book.gate.set()
    wait_until(lambda: book.calls == ["open", "close"])


def test_a_mode_of_several_people_is_counted_by_identity() -> None:
    update = Update(result=made_up(2), t=0.0, seconds=0.0, repetitions={2: 5})
    assert (update.repetitions_of(1), update.repetitions_of(2)) == (None, 5)
    one = Update(result=replace(made_up(1), mode="one"), t=0.0, seconds=0.0, repetitions={0: 3})
    assert one.repetitions_of(1) == 3
