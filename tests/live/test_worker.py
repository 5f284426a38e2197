"""Worker: a thread of which nothing escapes, and which keeps nothing alive."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest

from poseapp.core.errors import SourceError
from poseapp.live.worker import Worker


def run_to_end(error: Exception | None) -> list[str]:
    failures: list[str] = []

    def run(stop: threading.Event) -> None:
        if error is not None:
            raise error

    worker = Worker("test", run, failures.append)
    worker.start()
    assert worker.join(10)
    return failures


def test_a_known_failure_is_handed_on_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert run_to_end(SourceError("camera 0: gone. Plug it in.")) == ["camera 0: gone. Plug it in."]
    assert [r for r in caplog.records if r.levelno >= logging.INFO] == []


def test_anything_else_is_handed_on_once_and_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    failures = run_to_end(ZeroDivisionError("oops"))
    assert failures == ["poseapp-test: unexpected ZeroDivisionError: oops. Please report this with the log."]
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info is not None


def test_success_says_nothing() -> None:
    assert run_to_end(None) == []


def test_stop_is_a_request_that_run_sees() -> None:
    def run(stop: threading.Event) -> None:
        assert stop.wait(30)

    worker = Worker("test", run, pytest.fail)
    worker.start()
    assert not worker.join(0.01)
    worker.request_stop()
    assert worker.join(10)


def test_joining_one_that_never_started_is_no_wait() -> None:
    assert Worker("test", lambda stop: None, pytest.fail).join(10)


def test_a_worker_may_join_itself() -> None:
    answers: list[bool] = []

    def run(stop: threading.Event) -> None:
        answers.append(worker.join(10))

    worker = Worker("test", run, pytest.fail)
    worker.start()
    assert worker.join(10)
    assert answers == [False]


def test_the_thread_does_not_keep_the_process_alive() -> None:
    daemons: list[bool] = []
    worker = Worker("test", lambda stop: daemons.append(threading.current_thread().daemon), pytest.fail)
    worker.start()
    assert worker.join(10)
    assert daemons == [True]


def test_an_ended_worker_keeps_nothing_alive_that_it_worked_on() -> None:
    class Big:
        def work(self, stop: threading.Event) -> None: ...

    big = Big()
    gone = weakref.ref(big)
    worker = Worker("test", big.work, pytest.fail)
    worker.start()
    assert worker.join(10)
    del big
    gc.collect()
    assert gone() is None
