"""Published models on their way to this machine: one is downloaded and converted at a time, on a thread; the others wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal

from poseapp.convert.cancel import Cancel, CancelledError
from poseapp.convert.catalogue import CATALOGUE, Entry
from poseapp.convert.download import DownloadError, begun, download
from poseapp.core.errors import ModelError, PoseAppError
from poseapp.engine.store import is_own, list_models, remove
from poseapp.ui.jobs import Jobs

Stage = Literal["absent", "waiting", "downloading", "converting", "failed", "installed", "broken"]
UNDER_WAY: tuple[Stage, ...] = ("waiting", "downloading", "converting")
TELL_BYTES = 1 << 20  # progress is told at most once for so many: each time costs the UI thread something
CLOSING_MS = 2000  # how long a closing window waits for a server that does not even answer


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """Where one published model is on its way.

    ``done`` and ``total`` are bytes of the download, ``total`` None where it is not known. ``note`` is one line: why it failed
    or is broken, or which other home of the file is asked. ``folder`` is where it is installed,
    ``own`` whether it may be removed.
    """

    stage: Stage = "absent"
    done: int = 0
    total: int | None = None
    note: str = ""
    folder: Path | None = None
    own: bool = False


class ModelDownloads(QObject):
    """Downloads, converts and removes published models for the store *engines_dir*; *cache* holds what has come so far.

    It outlives the dialog that shows it. All slow work is done by *jobs*; every method is called on the UI thread.
    """

    changed = Signal(str)  # the name of the model whose state has changed, "" for all
    installed = Signal(object)  # Path of the new model's folder
    removed = Signal(str)  # its name
    failed = Signal(str, str)  # its name, one line
    ended = Signal()  # nothing is under way any more
    _told = Signal(str, int, object)  # from the thread: name, bytes so far, all bytes or None
    _said = Signal(str, str)  # from the thread: name, one line
    _converts = Signal(str)  # from the thread: the file is here

    def __init__(self, jobs: Jobs, engines_dir: Path, cache: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._engines_dir, self.cache = jobs, engines_dir, cache
        self._states: dict[str, ModelState] = {}
        self._queue: list[str] = []
        self._running = ""
        self._cancel = Cancel()
        self._stopped = False
        self.entries: dict[str, Entry] = dict(CATALOGUE)
        self._told.connect(self._show_progress)
        self._said.connect(lambda name, line: self._set(name, note=line))
        self._converts.connect(lambda name: self._set(name, stage="converting", note=""))

    @property
    def running(self) -> bool:
        """Whether something is under way."""
        return bool(self._running)

    def state(self, name: str) -> ModelState:
        """Where the model called *name* is."""
        return self._states.get(name, ModelState())

    def look(self) -> None:
        """Find out what is installed and what was begun."""
        work = partial(_look, self._engines_dir, self.cache, tuple(self.entries.values()))
        self._jobs.run("model shelf", work, self._looked, lambda error: self._looked({}))

    def get(self, name: str) -> None:
        """Download and convert *name*, after those that were asked for before."""
        if self.state(name).stage in UNDER_WAY or self._stopped:
            return
        self._queue.append(name)
        self._set(name, stage="waiting", note="")
        self._next()

    def cancel(self, name: str) -> None:
        """Give up *name*; what has come of it is kept for the next time."""
        if name in self._queue:
            self._queue.remove(name)
            self._set(name, stage="absent")
        elif name == self._running and self.state(name).stage == "downloading":
            self._set(name, note="Cancelling…")
            self._cancel.cancel()

    def remove(self, name: str) -> None:
        """Delete the user's own model *name* from the disk."""
        folder = self.state(name).folder
        if folder is None or self.state(name).stage in UNDER_WAY:
            return

        def gone(_none: None) -> None:
            self._states[name] = ModelState()
            self.changed.emit(name)
            self.removed.emit(name)

        self._jobs.run("remove model", lambda: remove(self._engines_dir, folder), gone, lambda e: self._set(name, note=e))

    def stop(self, then: Callable[[], None]) -> None:
        """Give up whatever is under way, and call *then* when no thread works any more. A conversion is finished first."""
        self._stopped = True
        self._queue.clear()
        self._cancel.cancel()
        if not self._running:
            then()
            return
        waiting = [then]

        def once() -> None:
            if waiting:
                waiting.pop()()

        self.ended.connect(once)
        if self.state(self._running).stage == "downloading":
            # A server that does not answer may hold the thread for longer; it writes nothing that could be damaged.
            QTimer.singleShot(CLOSING_MS, self, once)

    # -- inside ------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._running or not self._queue:
            return
        name = self._running = self._queue.pop(0)
        self._cancel = Cancel()
        self._set(name, stage="downloading")
        again = self.state(name).folder is not None  # a broken one is replaced
        work = partial(self._fetch, self.entries[name], self._cancel, again)
        self._jobs.run("download", work, partial(self._finished, name), partial(self._failed, name))

    def _fetch(self, entry: Entry, cancel: Cancel, again: bool) -> Path | None:
        """The folder of the new model, or None where it was cancelled. Runs on a thread."""
        told = -TELL_BYTES

        def tell(done: int, total: int | None) -> None:
            nonlocal told
            if done - told >= TELL_BYTES or done == total or done < told:
                told = done
                self._told.emit(entry.name, done, total)

        try:
            download(entry, self.cache, tell, partial(self._said.emit, entry.name), cancel)
            cancel.check()
        except CancelledError:
            return None
        except DownloadError as error:
            kept = " What has come is kept." if begun(entry, self.cache) else ""
            raise PoseAppError(f"{error.problem}.{kept}") from None
        self._converts.emit(entry.name)
        return _convert(entry, self._engines_dir, self.cache, again)

    def _finished(self, name: str, folder: Path | None) -> None:
        if folder is None:
            self._set(name, stage="absent", note="")
        else:
            self._set(name, stage="installed", note="", folder=folder, own=True)
            if not self._stopped:
                self.installed.emit(folder)
        self._end()

    def _failed(self, name: str, error: str) -> None:
        self._set(name, stage="failed", note=error)
        if not self._stopped:
            self.failed.emit(name, error)
        self._end()

    def _end(self) -> None:
        self._running = ""
        if self._stopped or not self._queue:
            self.ended.emit()
        else:
            self._next()

    def _looked(self, states: dict[str, ModelState]) -> None:
        for name, state in states.items():
            if self.state(name).stage not in (*UNDER_WAY, "failed"):
                self._states[name] = state
        self.changed.emit("")

    def _show_progress(self, name: str, done: int, total: int | None) -> None:
        if self.state(name).stage == "downloading":
            self._set(name, done=done, total=total)

    def _set(self, name: str, **changes: object) -> None:
        self._states[name] = replace(self.state(name), **changes)  # type: ignore[arg-type]
        self.changed.emit(name)


def _look(engines_dir: Path, cache: Path, entries: tuple[Entry, ...]) -> dict[str, ModelState]:
    """What lies on the disk of each of *entries*. It takes time: on a thread."""
    try:
        stored = {model.name: model for model in list_models(engines_dir)}
    except ModelError:
        stored = {}  # the window says so where it looks for a model to run
    states = {}
    for entry in entries:
        model = stored.get(entry.name)
        if model is None:
            states[entry.name] = ModelState(done=begun(entry, cache))
        else:
            stage: Stage = "installed" if model.spec is not None else "broken"
            own = is_own(engines_dir, model.folder)
            states[entry.name] = ModelState(stage=stage, note=model.error, folder=model.folder, own=own)
    return states


def _convert(entry: Entry, engines_dir: Path, cache: Path, again: bool) -> Path:
    """Make a model of the downloaded file of *entry*, as ``poseapp models fetch`` does; returns its folder."""
    from poseapp.convert.importing import fetch
    from poseapp.engine.store import place_for

    fetch(entry, engines_dir, cache, replace=again)
    return place_for(engines_dir, entry.name, replace=True)
