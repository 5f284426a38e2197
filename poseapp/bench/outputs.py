"""How long poses take to another program: from a result, and from the capture of its picture, to the datagram received there.

A receiver runs in a process of its own, as other programs do, and reads the capture time that each message holds.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from poseapp.core.errors import OutputError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.live.outputs import Outputs, parse_output
from poseapp.live.outputs.osc import NTP_1970
from poseapp.live.session import Session
from poseapp.live.sources import VideoSource
from poseapp.live.status import ModelRequest

RATES, PEOPLE = (30, 120), (1, 10)  # frames a second, and people
HW = (720, 1280)
START_S = 60.0  # a process, a stream of LSL
QUIET_S = 1.0  # the last message is there long before
_STOP_S = 20.0
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class OutputFigures:
    """What came of *sent* frames: latencies in ms, the processor time of the sending process for a frame, and drops."""

    what: str
    fps: int
    people: int
    sent: int
    received: int
    dropped: int
    p50_ms: float
    p95_ms: float
    processor_ms: float

    def row(self) -> str:
        """A line of the table."""
        cells = (f"{self.fps}", f"{self.people}", f"{self.received} of {self.sent}", f"{self.dropped}")
        times = (f"{self.p50_ms:.2f}", f"{self.p95_ms:.2f}", f"{self.processor_ms:.2f}")
        return "| " + " | ".join((self.what, *cells, *times)) + " |"


HEAD = (
    "| output | fps | people | frames received | dropped | p50 ms | p95 ms | processor ms a frame |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def run_outputs(folder: Path | None, clip: Path, *, device: str, seconds: float, progress: Progress) -> str:
    """The table of all outputs that are installed, and of the whole app with the model in *folder*, if there is one."""
    kinds = ["osc", "udp", "ws", *(["lsl"] if find_spec("pylsl") else [])]
    cases = [(kind, fps, people) for kind in kinds for fps in RATES for people in PEOPLE]
    rows = []
    for n, (kind, fps, people) in enumerate(cases):
        progress(n / (len(cases) + 1), f"{kind}, {fps} fps, {people} people")
        rows.append(measure_output(kind, fps, people, seconds).row())
    if folder is not None:
        progress(len(cases) / (len(cases) + 1), "the whole app")
        rows.append(measure_app(folder, clip, device, seconds).row())
    return "\n".join((HEAD, *rows))


def measure_output(kind: str, fps: int, people: int, seconds: float) -> OutputFigures:
    """Give made-up *people* to the output of *kind*, *fps* times a second."""
    with _receiver(kind) as receiver, _outputs(receiver.address) as outputs:
        receiver.connect(lambda: _offer(outputs, people, -1))
        before = outputs.status()[0]
        receiver.begin()
        processor, started, count = time.process_time(), time.monotonic(), round(fps * seconds)
        for index in range(count):
            time.sleep(max(0.0, started + index / fps - time.monotonic()))
            _offer(outputs, people, index)
        used_ms = (time.process_time() - processor) / count * 1e3
        latencies = receiver.end()
        dropped = outputs.status()[0].dropped - before.dropped
    return _figures(kind, fps, people, count, dropped, latencies, used_ms)


def measure_app(folder: Path, clip: Path, device: str, seconds: float) -> OutputFigures:
    """The whole app on *clip*, sent as UDP: from the time at which a picture was captured."""
    with _receiver("udp") as receiver, _outputs(receiver.address) as outputs:
        session = Session(VideoSource(clip, loop=True), ModelRequest(folder, device))
        session.outputs = outputs
        session.start()
        try:
            receiver.connect(lambda: time.sleep(0.05))
            before = outputs.status()[0]
            receiver.begin()
            processor = time.process_time()
            time.sleep(seconds)
            used_s = time.process_time() - processor
        finally:
            session.stop()
        after = outputs.status()[0]
        latencies = receiver.end()
    sent = max(1, after.sent - before.sent)
    return _figures("whole app, udp", 30, 1, sent, after.dropped - before.dropped, latencies, used_s / sent * 1e3)


def _figures(
    what: str, fps: int, people: int, sent: int, dropped: int, latencies_s: list[float], processor_ms: float
) -> OutputFigures:
    if not latencies_s:
        raise OutputError(f"bench outputs: {what} brought nothing. Close other programs that use its port, and try again.")
    p50, p95 = np.percentile(np.array(latencies_s) * 1e3, (50, 95)).tolist()
    return OutputFigures(
        what=what,
        fps=fps,
        people=people,
        sent=sent,
        received=len(latencies_s),
        dropped=dropped,
        p50_ms=p50,
        p95_ms=p95,
        processor_ms=processor_ms,
    )


def _offer(outputs: Outputs, people: int, index: int) -> None:
    now = time.monotonic()
    outputs.put(_result(people, max(index, 0), now), now)


def _result(people: int, index: int, t: float) -> Result:
    """*people* somewhere in the picture, all joints seen."""
    random = np.random.default_rng(index)
    xy = random.uniform((0, 0), (HW[1], HW[0]), (people, COCO_17.k, 2)).astype(np.float32)
    poses = Poses(
        xy=xy,
        score=random.uniform(0.3, 1, (people, COCO_17.k)).astype(np.float32),
        person_score=np.full(people, 0.9, np.float32),
        ids=np.arange(1, people + 1, dtype=np.int64),
        skeleton=COCO_17,
    )
    return Result(frame=Frame(_PICTURE, index, t), poses=poses, mode="top-down")


_PICTURE = np.zeros((*HW, 3), np.uint8)


@contextmanager
def _outputs(address: str) -> Iterator[Outputs]:
    outputs = Outputs()
    outputs.choose([parse_output(address)])
    try:
        deadline = time.monotonic() + START_S
        while outputs.status()[0].light == "starting" and time.monotonic() < deadline:
            time.sleep(0.01)
        if outputs.status()[0].light == "failed":
            raise OutputError(outputs.status()[0].message)
        yield outputs
    finally:
        outputs.close()


# -- the receiver, in a process of its own ---------------------------------------------------------------------------


@dataclass
class _Receiver:
    """The other process: ``address`` is that of the output."""

    address: str
    pipe: Connection

    def connect(self, feed: Callable[[], None]) -> None:
        """Wait until the process receives; *feed* gives it something to receive."""
        self.pipe.send("connect")
        deadline = time.monotonic() + START_S
        while not self.pipe.poll(0.02):
            feed()
            if time.monotonic() > deadline:
                raise OutputError("bench outputs: the receiver gets nothing. Close other programs that use its port.")
        self.pipe.recv()

    def begin(self) -> None:
        """Forget what came so far."""
        self.pipe.send("begin")
        self.pipe.recv()

    def end(self) -> list[float]:
        """The latencies in s of what has come since ``begin``, and a little later."""
        time.sleep(QUIET_S)
        self.pipe.send("end")
        return list(self.pipe.recv())


@contextmanager
def _receiver(kind: str) -> Iterator[_Receiver]:
    context = multiprocessing.get_context("spawn")  # a fork would share threads' locks
    here, there = context.Pipe()
    process = context.Process(target=_receive, args=(kind, there), daemon=True)
    process.start()
    try:
        if not here.poll(START_S):
            raise OutputError("bench outputs: the receiver does not start. Try again.")
        yield _Receiver(here.recv(), here)
    finally:
        here.close()
        process.join(_STOP_S)
        process.kill()


def _receive(kind: str, pipe: Connection) -> None:
    """Tell the address, and obey connect, begin and end, until the pipe is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "ws" else socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        if kind == "ws":
            bound.close()
        pipe.send(f"lsl://poseapp bench {port}" if kind == "lsl" else f"{kind}://127.0.0.1:{port}")
        try:
            assert pipe.recv() == "connect"
            next_latency = _READERS[kind](bound, port)
            while next_latency() is None:
                pass
            pipe.send("connected")
            latencies: list[float] = []
            while True:
                latency = next_latency()
                if latency is not None:
                    latencies.append(latency)
                if pipe.poll(0):
                    if pipe.recv() == "begin":
                        latencies = []
                        pipe.send("begun")
                    else:
                        pipe.send(latencies)
        except (EOFError, OSError):  # the other side has ended
            return


NextLatency = Callable[[], float | None]
"""Waits a short time for a message, and gives its age in s; None where none came, or one that holds no poses."""
WAIT_S = 0.02


def _datagrams(bound: socket.socket, when: Callable[[bytes], float | None]) -> NextLatency:
    bound.settimeout(WAIT_S)

    def following() -> float | None:
        try:
            content = bound.recv(1 << 16)
        except TimeoutError:
            return None
        now, at = time.time(), when(content)
        return None if at is None else now - at

    return following


def _time_of_bundle(content: bytes) -> float | None:
    if not content.startswith(b"#bundle\0") or b"/nose\0" not in content[:2000] or b"/pose/1/" not in content[:2000]:
        return None  # a further bundle of the same frame
    seconds, fraction = struct.unpack_from(">II", content, 8)
    return float(seconds - NTP_1970 + fraction / 2**32)


def _time_of_line(content: bytes | str) -> float | None:
    line = json.loads(content)
    return float(line["time"]) if "people" in line else None


def _websocket(bound: socket.socket, port: int) -> NextLatency:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    del bound
    client = connect(f"ws://127.0.0.1:{port}/ws", compression=None).__enter__()  # closed with its process

    def following() -> float | None:
        try:
            content = client.recv(timeout=WAIT_S)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise EOFError from error
        now, at = time.time(), _time_of_line(content)
        return None if at is None else now - at

    return following


def _lsl(bound: socket.socket, port: int) -> NextLatency:
    import pylsl

    del bound
    found = pylsl.resolve_byprop("name", f"poseapp bench {port}", timeout=START_S)
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(timeout=START_S)

    def following() -> float | None:
        try:
            sample, at = inlet.pull_sample(timeout=WAIT_S)
        except pylsl.util.LostError as error:
            raise EOFError from error
        return None if sample is None else float(pylsl.local_clock() - at)

    return following


_READERS: dict[str, Callable[[socket.socket, int], NextLatency]] = {
    "osc": lambda bound, port: _datagrams(bound, _time_of_bundle),
    "udp": lambda bound, port: _datagrams(bound, _time_of_line),
    "ws": _websocket,
    "lsl": _lsl,
}
