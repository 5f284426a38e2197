"""Sessions on made-up sources and models, and what tests wait for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakes import Loader, wait_until

from poseapp.core.framing import WHOLE, Framing
from poseapp.core.types import Result
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import Source
from poseapp.live.status import ModelRequest, Status

A, B, C = Path("a"), Path("b"), Path("c")
QUICK_S = 10.0  # for what takes two or three seconds at most, on any machine; where it hangs, it does so for 20 s and more


@contextmanager
def running(
    source: Source,
    load: Loader | None = None,
    *,
    realtime: bool = True,
    record: Path | None = None,
    device: str = "auto",
    framing: Framing = WHOLE,
    clean_video: bool = False,
) -> Iterator[Session]:
    """A started session with model a, stopped at the end; with *record*, recording from before its first frame."""
    load = load or Loader()
    request = ModelRequest(A, device)
    session = Session(source, request, framing=framing, realtime=realtime, load=load, builds_first=load.builds_first)
    try:
        if record is not None:
            session.start_recording(RecordOptions(folder=record, clean_video=clean_video))
        session.start()
        yield session
    finally:
        session.stop()
        assert session.status().state == "stopped"


def in_state(session: Session, state: str) -> Callable[[], bool]:
    return lambda: session.status().state == state


def seen(session: Session, condition: Callable[[Status], object]) -> Status:
    """The first status for which *condition* holds."""
    found: list[Status] = []

    def look() -> bool:
        status = session.status()
        if condition(status):
            found.append(status)
        return bool(found)

    wait_until(look)
    return found[0]


def next_result(session: Session) -> Result:
    found: list[Result] = []

    def look() -> bool:
        result = session.take()
        if result is not None:
            found.append(result)
        return bool(found)

    wait_until(look)
    return found[0]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]


def the_recording(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


def building() -> Loader:
    """Builds for the GPU until ``build`` is set."""
    load = Loader()
    load.build = threading.Event()
    return load


def device_of(session: Session) -> str:
    backend = session.status().backend
    return backend.device if backend is not None else ""


def running_loaders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "poseapp-inference"]


def hold_on_to_somebody(session: Session) -> None:
    """Click on the person in sight, until the session holds on to them."""
    result = next_result(session)
    while len(result.poses) == 0:
        result = next_result(session)
    x, y = result.poses.xy[0].mean(axis=0).tolist()
    session.lock_person((x, y))
    wait_until(lambda: next_result(session).locked == 1)
