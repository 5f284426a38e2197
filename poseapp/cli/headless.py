"""``poseapp run --headless``: a source worked through without a window, and a word about whatever it waits for."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from poseapp.cli.live_outputs import LiveOutputs, giving
from poseapp.cli.starting import Starter, check_choices
from poseapp.console import description
from poseapp.core.errors import PoseAppError, SourceError

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.core.types import Result
    from poseapp.live.recording import Recording, RecordOptions
    from poseapp.live.session import Session
    from poseapp.live.sources import Source
    from poseapp.live.sources.setup import SourceSetup
    from poseapp.live.status import ModelRequest, Status
    from poseapp.pipeline.modes import PoseSettings

WAIT_S = 30.0
QUIET_S = 2.0  # so long without a picture is worth a word
RETRY_S = 2.0
MOST_NAMED = 5  # pictures that could not be read
_RETRYING = re.compile(r" Trying again in \S+ s\.$")  # what the capture loop adds; here it would be the last word


class Patience:
    """Says at once that a live source does not give pictures, and after *wait_s* that this is the end."""

    def __init__(self, name: str, live: bool, wait_s: float, console: Console) -> None:
        self._name, self._live, self._wait_s, self._console = name, live, wait_s, console
        self._progress: tuple[int, int, int] | None = None
        self._quiet_from: float | None = None
        self._since: float | None = None  # when the trouble began
        self._said = ""
        self.trouble = ""  # why no picture comes just now

    def look(self, status: Status, now: float, analysed: int = 0) -> bool:
        """Whether to go on waiting for pictures; *analysed* ones have come so far, recorded or not."""
        frames = status.recording.frames if status.recording is not None else 0
        progress = frames, status.stats.drops.get("capture", 0), analysed
        if status.state == "reconnecting":
            self.trouble = _RETRYING.sub("", status.message) or self.trouble
        elif progress != self._progress or not status.model or not self._live or self._quiet_from is None:
            self._progress, self._quiet_from = progress, now
            self._since, self.trouble, self._said = None, "", ""
            return True
        elif now - self._quiet_from < QUIET_S:
            return True
        else:
            self.trouble = self.trouble or f"{self._name}: gives no picture."
        return self.bear(self.trouble, now)

    def bear(self, trouble: str, now: float) -> bool:
        """Say *trouble* if it is new; whether to go on in spite of it."""
        self.trouble = trouble
        self._since = now if self._since is None else self._since
        if trouble != self._said and self._wait_s > 0:
            self._said = trouble
            self._console.print(f"{trouble} Trying for {self._wait_s:g} s.", soft_wrap=True)
        return now - self._since < self._wait_s

    @property
    def last_word(self) -> str:
        """Why it is over."""
        if self._wait_s == 0:
            return self.trouble
        return f"{self.trouble} Given up after {self._wait_s:g} s; --wait sets how long."


@dataclass
class _RunFigures:
    """What the closing summary tells of the run."""

    begun: float = field(default_factory=time.monotonic)
    ready: float | None = None  # when the model was there
    results: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))  # a run may last for weeks
    first_pose_s: float | None = None
    given_up: str = ""

    def working_s(self, now: float) -> float:
        """How long it has worked on pictures: loading and timing the model, once, says nothing of how fast they go."""
        return now - (self.begun if self.ready is None else self.ready)

    def result(self, result: Result) -> None:
        self.results += 1
        self.latencies_ms.append(sum(result.stage_ms.values()))
        if self.first_pose_s is None and len(result.poses):
            self.first_pose_s = time.time() - psutil.Process().create_time()


@dataclass(frozen=True, kw_only=True)
class HeadlessRun:
    """What is to be done: ``source`` is one, or a text that names one, ``seconds`` and ``wait_s`` are as the options say."""

    source: str | Source
    request: ModelRequest
    pose_settings: PoseSettings
    recording: RecordOptions
    seconds: float | None = None
    wait_s: float = WAIT_S
    setup: SourceSetup | None = None
    live: LiveOutputs = field(default_factory=LiveOutputs)


def run_headless(run: HeadlessRun, console: Console) -> None:
    """Work through a source, recording, with a progress bar and a closing summary. Ctrl-C finishes the files.

    A live source that gives no picture for ``wait_s`` is the end, and a PoseAppError.
    """
    wait_s = run.wait_s if run.seconds is None else min(run.wait_s, run.seconds)  # nobody waits longer than the run is to last
    source = _open(run, wait_s, console)
    session = _session(run, source)
    figures, starter = _RunFigures(), Starter(session, run.recording, console) if run.live.records else None
    with giving(session, run.live, run.recording, console) as sent:
        if starter is not None:
            starter.begin()
        session.start()
        try:
            _follow(session, source, Patience(source.name, source.live, wait_s, console), figures, run.seconds, starter, console)
        except KeyboardInterrupt:
            console.print("Interrupted: finishing the recording.")
        finally:
            session.stop()
    status = session.status()
    recording = status.recording
    if recording is None and starter is not None:
        unbegun = f"{source.name}: it was over before the recording began. Nothing was recorded."
        raise PoseAppError(figures.given_up or session.failure or unbegun)
    error = recording.error if recording is not None else ""
    if (recording.frames if recording is not None else figures.results) == 0:
        stopped = f"{source.name}: stopped before the first picture was worked on. Nothing was recorded."
        raise PoseAppError(figures.given_up or session.failure or error or _RETRYING.sub("", status.message) or stopped)
    _summarise(status, recording, source, figures)
    for line in sent:
        print(line)
    failure = session.failure or error or figures.given_up
    if failure:
        raise PoseAppError(failure)


def _open(run: HeadlessRun, wait_s: float, console: Console) -> Source:
    """The source, with what is asked of it. Raises PoseAppError."""
    from poseapp.live.sources import StreamSource, parse_source

    source = parse_source(run.source) if isinstance(run.source, str) else run.source
    if run.setup is not None:
        _ask_camera(source, run.setup)
    if isinstance(source, StreamSource):
        _settle(source, Patience(source.name, True, wait_s, console))
    check_choices(run.recording, source)
    return source


def _session(run: HeadlessRun, source: Source) -> Session:
    from poseapp.live.session import Session
    from poseapp.live.sources.setup import SourceSetup
    from poseapp.pipeline.modes import smooth_rule

    session = Session(
        source,
        run.request,
        framing=(run.setup or SourceSetup()).framing,
        smoothing=smooth_rule(run.pose_settings.smoothing),
        realtime=source.live or not run.live.records,
    )
    session.settings.latency_budget_ms = run.pose_settings.latency_budget_ms
    return session


def _ask_camera(source: Source, setup: SourceSetup) -> None:
    from poseapp.live.sources.base import Controllable

    if isinstance(source, Controllable):
        source.ask(setup.settings)
    elif setup.settings:
        raise SourceError(f"{source.name}: has no exposure, gain, focus or zoom. Leave out --control, or give a camera.")


def _settle(source: Source, patience: Patience) -> None:
    """Find out whether an address is a clip or live, trying as long as *patience* lasts."""
    from poseapp.live.sources import StreamSource

    assert isinstance(source, StreamSource)
    while True:
        try:
            source.settle()
            return
        except SourceError as error:
            if not patience.bear(str(error), time.monotonic()):
                raise PoseAppError(patience.last_word) from None
        time.sleep(RETRY_S)


def _follow(
    session: Session,
    source: Source,
    patience: Patience,
    figures: _RunFigures,
    seconds: float | None,
    starter: Starter | None,
    console: Console,
) -> None:
    """Show how far *session* is.

    Until it or its recording has ended, *seconds* have passed since the model came, or nothing comes any more.
    """
    columns = (description(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(source.name, total=None)
        build = bar.add_task("", total=100, visible=False)
        over = False
        while not over:
            over = session.wait(0.02)
            status = session.status()
            if status.build is not None:
                bar.update(build, description=status.build.text, completed=round(100 * status.build.done), visible=True)
            else:
                bar.update(build, visible=False)
            if status.recording is not None:
                total = getattr(source, "frames", 0) or None
                bar.update(task, completed=status.recording.frames, total=total, description=status.message or source.name)
                if status.recording.error:
                    return
            result = session.take()
            if result is not None:
                figures.result(result)
            now = time.monotonic()
            if figures.ready is None and status.model:
                figures.ready = now
            if not over and starter is not None and not starter.look(status):
                return
            if not over and not patience.look(status, now, figures.results):
                figures.given_up = patience.last_word
                return
            if seconds is not None and figures.ready is not None and now - figures.ready > seconds:
                figures.given_up = patience.trouble
                return


def _summarise(status: Status, recording: Recording | None, source: Source, figures: _RunFigures) -> None:
    from poseapp.live.recording import ended_text

    elapsed = figures.working_s(time.monotonic())
    median = sorted(figures.latencies_ms)[len(figures.latencies_ms) // 2] if figures.latencies_ms else 0.0
    first = f", first pose {figures.first_pose_s:.1f} s after the start" if figures.first_pose_s is not None else ", nobody found"
    print(f"model      {status.model or '–'} on {status.backend or '–'}")
    if status.backend is not None and status.backend.fallback:
        print(f"instead    {status.backend.fallback}")
    if recording is not None:
        counts = recording.counts
        print(f"frames     {counts.sentence()}")
        if recording.sound is not None:
            print(f"sound      {recording.sound.sentence()}")
        if recording.ended_by:
            print(f"stopped    {ended_text(recording.ended_by)}")
        print(f"speed      {counts.analysed} analysed in {elapsed:.1f} s: {counts.analysed / elapsed:.1f} fps")
        if counts.unreadable:
            print(f"unreadable {counts.unreadable} of the source's pictures: their numbers are left out")
            for line in getattr(source, "skipped", [])[:MOST_NAMED]:
                print(f"           {line}")
    print(f"latency    {median:.1f} ms a frame (median, without drawing and encoding){first}")
    for control in status.controls:
        print(f"{control.name:<10} {control.sentence()}")
    for path in sorted(recording.folder.iterdir()) if recording is not None else ():
        print(f"{path.stem:<10} {path}")
