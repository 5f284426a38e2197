"""``poseapp run --headless``: a source worked through without a window, and a word about whatever it waits for."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

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
    latencies_ms: list[float] = field(default_factory=list)
    first_pose_s: float | None = None
    given_up: str = ""

    def working_s(self, now: float) -> float:
        """How long it has worked on pictures: loading and timing the model, once, says nothing of how fast they go."""
        return now - (self.begun if self.ready is None else self.ready)

    def result(self, result: Result) -> None:
        self.latencies_ms.append(sum(result.stage_ms.values()))
        if self.first_pose_s is None and len(result.poses):
            self.first_pose_s = time.time() - psutil.Process().create_time()


def run_headless(
    source_text: str,
    request: ModelRequest,
    pose_settings: PoseSettings,
    options: RecordOptions,
    seconds: float | None,
    wait_s: float,
    console: Console,
    setup: SourceSetup | None = None,
) -> None:
    """Work through a source, recording, with a progress bar and a closing summary. Ctrl-C finishes the files.

    A live source that gives no picture for *wait_s* is the end, and a PoseAppError.
    """
    from poseapp.live.session import Session
    from poseapp.live.sources import StreamSource, parse_source
    from poseapp.live.sources.base import Controllable
    from poseapp.live.sources.setup import SourceSetup
    from poseapp.pipeline.modes import smooth_rule

    source, setup = parse_source(source_text), setup or SourceSetup()
    if setup.settings and not isinstance(source, Controllable):
        raise SourceError(f"{source.name}: has no exposure, gain, focus or zoom. Leave out --control, or give a camera.")
    if isinstance(source, Controllable):
        source.ask(setup.settings)
    wait_s = wait_s if seconds is None else min(wait_s, seconds)  # nobody waits longer than the run is to last
    if isinstance(source, StreamSource):
        _settle(source, Patience(source.name, True, wait_s, console))
    check_choices(options, source)
    session = Session(
        source,
        request,
        framing=setup.framing,
        smoothing=smooth_rule(pose_settings.smoothing),
        realtime=source.live,
    )
    session.settings.latency_budget_ms = pose_settings.latency_budget_ms
    figures, starter = _RunFigures(), Starter(session, options, console)
    starter.begin()
    session.start()
    try:
        _follow(session, source, Patience(source.name, source.live, wait_s, console), figures, seconds, starter, console)
    except KeyboardInterrupt:
        console.print("Interrupted: finishing the recording.")
    finally:
        session.stop()
    status = session.status()
    recording = status.recording
    if recording is None:
        unbegun = f"{source.name}: it was over before the recording began. Nothing was recorded."
        raise PoseAppError(figures.given_up or session.failure or unbegun)
    if recording.frames == 0:
        stopped = f"{source.name}: stopped before the first picture was worked on. Nothing was recorded."
        raise PoseAppError(figures.given_up or session.failure or recording.error or _RETRYING.sub("", status.message) or stopped)
    _summarise(status, recording, source, figures)
    for control in status.controls:
        print(f"{control.name:<10} {control.sentence()}")
    failure = session.failure or recording.error or figures.given_up
    if failure:
        raise PoseAppError(failure)


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
    starter: Starter,
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
            if not over and not starter.look(status):
                return
            if not over and not patience.look(status, now, len(figures.latencies_ms)):
                figures.given_up = patience.last_word
                return
            if seconds is not None and figures.ready is not None and now - figures.ready > seconds:
                figures.given_up = patience.trouble
                return


def _summarise(status: Status, recording: Recording, source: Source, figures: _RunFigures) -> None:
    from poseapp.live.recording import ended_text

    elapsed = figures.working_s(time.monotonic())
    median = sorted(figures.latencies_ms)[len(figures.latencies_ms) // 2] if figures.latencies_ms else 0.0
    first = f", first pose {figures.first_pose_s:.1f} s after the start" if figures.first_pose_s is not None else ", nobody found"
    print(f"model      {status.model or '–'} on {status.backend or '–'}")
    if status.backend is not None and status.backend.fallback:
        print(f"instead    {status.backend.fallback}")
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
    for path in sorted(recording.folder.iterdir()):
        print(f"{path.stem:<10} {path}")
