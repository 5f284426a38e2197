"""Every frame of a clip, analysed into a recording without a window: for `poseapp batch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from poseapp.core.errors import PoseAppError
from poseapp.engine.load import builds_first, load_engine
from poseapp.live.model_runner import LoadEngine
from poseapp.live.recording import Recording, RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import Source
from poseapp.live.status import ModelRequest, Status
from poseapp.pipeline.modes import PoseSettings, smooth_rule

LOOK_S = 0.1  # how often the progress is looked at


class ClipAnalyst:
    """Analyses one source after another, every frame, as fast as possible; the model is loaded once.

    ::

        with ClipAnalyst(request, settings) as analyst:
            for source in sources:
                recording = analyst.analyse(source, options, on_status)

    One thread at a time uses it. *load* and *builds_first* are those of Session.
    """

    def __init__(
        self,
        request: ModelRequest,
        settings: PoseSettings,
        *,
        load: LoadEngine = load_engine,
        builds_first: Callable[[Path, str, str], bool] = builds_first,
    ) -> None:
        self._request = replace(request, mode=settings.mode)
        self._settings, self._load, self._builds_first = settings, load, builds_first
        self._session: Session | None = None

    def __enter__(self) -> ClipAnalyst:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def analyse(
        self, source: Source, options: RecordOptions, go_on: Callable[[Status], bool] = lambda _status: True
    ) -> Recording:
        """Analyse every frame of *source* into a new recording, and return that when its files are finished.

        *go_on* is asked several times a second, on the calling thread; when it returns False, the recording is finished as it is,
        and holds the frames so far. Raises PoseAppError where source, model or recording fail; what was recorded by then stays.
        """
        session = self._begin(source, options)
        try:
            while not session.wait(LOOK_S):
                status = session.status()
                if (status.recording is not None and status.recording.error) or not go_on(status):
                    break
        except BaseException:
            self.close()
            raise
        recording = session.finish_recording()
        assert recording is not None, "it was begun"
        failure = session.failure
        status = session.status()
        if failure or status.state not in ("ended", "running"):
            self.close()  # the next source gets a model anew
        if recording.active:
            failure = failure or f"{recording.folder}: the disk does not take the end of the files. Record to another folder."
        failure = failure or recording.error
        if failure:
            raise PoseAppError(failure)
        go_on(replace(status, recording=recording))
        return recording

    def close(self) -> None:
        """Give the model back; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    def _begin(self, source: Source, options: RecordOptions) -> Session:
        session = self._session
        if session is not None:
            session.set_source(source, record=options)
            return session
        session = Session(
            source,
            self._request,
            smoothing=smooth_rule(self._settings.smoothing),
            realtime=False,
            load=self._load,
            builds_first=self._builds_first,
        )
        session.settings.latency_budget_ms = self._settings.latency_budget_ms
        session.start_recording(options)
        session.start()
        self._session = session
        return session
