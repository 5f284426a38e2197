"""One file of a batch, in whatever process it is done: analysed, exported, and put in its place when it is whole."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from poseapp.batch.finished import FINISHED, Figures, Finished, read_finished
from poseapp.batch.inputs import Input
from poseapp.batch.joining import GivenUpError, PieceAnalyst
from poseapp.batch.method import Method
from poseapp.batch.pieces import NotCuttableError, Piece, duration_s, plan_pieces
from poseapp.core.errors import ExportError, PoseAppError, RecordError, first_line, printable
from poseapp.core.files import atomic_folder, no_empty_folders, sha256
from poseapp.engine.load import builds_first
from poseapp.live.recording import Recording, RecordOptions
from poseapp.live.recording.keypoints import KEYPOINTS
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.sources import VideoSource, parse_source
from poseapp.live.status import ModelRequest, Status
from poseapp.live.whole_clip import ClipAnalyst
from poseapp.review.exports import EXPORTS, ExportOptions
from poseapp.review.exports.base import DEFAULT_FOLDER
from poseapp.review.exports.write import export_recording
from poseapp.review.listing import count_people
from poseapp.review.saved_recording import SavedRecording

log = logging.getLogger(__name__)

GoOn = Callable[[int, int], bool]
"""Gets how many frames are done, of how many (0: not known); False gives up."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is wanted of the input ``source``: a result in ``folder``, with ``formats`` of EXPORTS, and perhaps the ``video``.

    A video of more than two pieces of ``piece_s`` is cut; 0 cuts none.
    """

    source: Input
    folder: Path
    method: Method
    formats: tuple[str, ...] = ()
    video: bool = False
    piece_s: float = 0.0

    @property
    def pieces_folder(self) -> Path:
        """Where the pieces of this very file by this very method lie until they are joined."""
        made_of = repr((self.source.size, self.source.modified_ns, self.piece_s, self.method))
        return self.folder.parent / f".{self.folder.name}-{sha256(made_of.encode())[:8]}.pieces"

    def piece_file(self, piece: Piece) -> Path:
        """What was found in *piece*."""
        return self.pieces_folder / f"{piece.index}.npz"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: ``finished``, or cut into ``pieces`` that are still to be done, or ``error``, one line.

    There may be a result and an error: an export that failed.
    """

    finished: Finished | None = None
    pieces: tuple[Piece, ...] = ()
    error: str = ""
    skipped: bool = False


def finished_before(job: Job) -> Finished | None:
    """The result of *job* that is there already; its exports may be missing."""
    found = read_finished(job.folder)
    return found if found is not None and found.serves(job.source, job.method, job.video) else None


def attempt(work: Callable[[], Outcome], path: Path) -> Outcome:
    """What *work* on the file at *path* comes to: any failure but GivenUpError is an outcome with one line."""
    try:
        return work()
    except GivenUpError:
        raise
    except PoseAppError as error:
        return Outcome(error=str(error))
    except Exception as error:
        log.debug("while %s was analysed", path, exc_info=True)
        return Outcome(error=printable(f"{path}: unexpected {type(error).__name__} ({first_line(error)}). Report it."))


class Workbench:
    """Does jobs of one method, one after another; models are loaded once, when they are needed.

    One thread uses it. Every method raises PoseAppError where the job fails, and GivenUpError where *go_on* says so; then nothing
    is left of it.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self._clips: ClipAnalyst | None = None
        self._pieces: PieceAnalyst | None = None

    def close(self) -> None:
        """Give the models back; safe to call twice."""
        clips, pieces, self._clips, self._pieces = self._clips, self._pieces, None, None
        if clips is not None:
            clips.close()
        if pieces is not None:
            pieces.close()

    def do(self, job: Job, go_on: GoOn, cut: bool = True) -> Outcome:
        """Do *job*, or plan its pieces where it is long and *cut* is wanted."""
        before = finished_before(job)
        if before is not None:
            return self._add_exports(job, before)
        if cut and job.piece_s > 0:
            with suppress(NotCuttableError):
                pieces = self._plan(job)
                if pieces:
                    return Outcome(pieces=pieces)

        def record(options: RecordOptions) -> tuple[Recording, str]:
            return self._whole(job, options, go_on)

        return _made(job, record)

    def _plan(self, job: Job) -> tuple[Piece, ...]:
        """The pieces of a long video; none of anything else. Raises NotCuttableError."""
        path = job.source.path
        if not isinstance(parse_source(str(path)), VideoSource) or duration_s(path) < 2 * job.piece_s:
            return ()
        return plan_pieces(path, job.piece_s)

    def _whole(self, job: Job, options: RecordOptions, go_on: GoOn) -> tuple[Recording, str]:
        """Every frame of the source; returns the recording and what ran."""
        method = self.method
        if self._clips is None:
            request = ModelRequest(method.folder, method.device, method.precision, method.mode)
            quick = method.option is not None  # chosen and compiled already
            load, slow = method.open_engine, _never if quick else builds_first
            self._clips = ClipAnalyst(request, method.settings, load=load, builds_first=slow)
        source = parse_source(str(job.source.path))
        backend, given_up = "", False

        def look(status: Status) -> bool:
            nonlocal backend, given_up
            backend = str(status.backend) if status.backend is not None else backend
            done = status.recording.frames if status.recording is not None else 0
            given_up = not go_on(done, getattr(source, "frames", 0))
            return not given_up

        recording = self._clips.analyse(source, options, look)
        if given_up and recording.counts.captured < getattr(source, "frames", 0):
            raise GivenUpError
        return recording, backend

    def piece(self, job: Job, piece: Piece, go_on: GoOn) -> float:
        """Analyse *piece* of the video of *job*, unless that was done; returns how long it took, s. Raises NotCuttableError."""
        file, began = job.piece_file(piece), perf_counter()
        if file.is_file():
            return 0.0
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        count = len(piece.times_s)
        self._piece_analyst().analyse(job.source.path, piece, file, lambda done: go_on(done, count))
        return perf_counter() - began

    def join(self, job: Job, pieces: Sequence[Piece], worked_s: float, go_on: GoOn) -> Outcome:
        """Join the *pieces*, which took *worked_s*. Raises NotCuttableError, and RecordError where one is damaged."""
        analyst = self._piece_analyst()
        count = sum(len(piece.times_s) for piece in pieces)
        files = [job.piece_file(piece) for piece in pieces]

        def record(options: RecordOptions) -> tuple[Recording, str]:
            return analyst.join(job.source.path, pieces, files, options, lambda done: go_on(done, count)), analyst.backend

        outcome = _made(job, record, worked_s, len(pieces))
        shutil.rmtree(job.pieces_folder, ignore_errors=True)
        return outcome

    def _piece_analyst(self) -> PieceAnalyst:
        if self._pieces is None:
            self._pieces = PieceAnalyst(self.method)
        return self._pieces

    def _add_exports(self, job: Job, before: Finished) -> Outcome:
        """The exports that a finished result lacks."""
        missing = tuple(name for name in job.formats if name not in before.formats)
        if not missing:
            return Outcome(finished=before, skipped=True)
        finished, error = _export(job.folder, before, missing)
        finished.write(job.folder)
        return Outcome(finished=finished, error=error)


def _made(job: Job, record: Callable[[RecordOptions], tuple[Recording, str]], worked_s: float = 0.0, pieces: int = 1) -> Outcome:
    """The result of *job*, recorded by *record*: whole in its folder, or not there at all."""
    began = perf_counter()
    _check_place(job.folder)
    try:
        with no_empty_folders(job.folder.parent), ExitStack() as at_the_end:
            job.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = at_the_end.enter_context(atomic_folder(job.folder))
            recording, backend = record(RecordOptions(folder=made, annotated_video=job.video))
            if recording.frames == 0:
                raise RecordError(f"{job.source.path}: no picture of it could be analysed. Try another file.")
            for file in recording.folder.iterdir():
                file.rename(made / file.name)
            recording.folder.rmdir()
            figures = Figures(
                frames=recording.counts.analysed,
                unreadable=recording.counts.unreadable,
                seconds=round(recording.seconds, 3),
                people=count_people([made / KEYPOINTS]),
                backend=backend,
                elapsed_s=round(worked_s + perf_counter() - began, 3),
                pieces=pieces,
            )
            finished, error = _export(made, Finished.of(job.source, job.method, job.video, figures), job.formats)
            finished.write(made)
    except OSError as error_:
        what = error_.strerror or type(error_).__name__
        raise RecordError(f"{job.folder}: cannot be written ({what}). Make room, or give another --out.") from None
    return Outcome(finished=finished, error=error)


def _check_place(folder: Path) -> None:
    """Refuse to put a result in the place of something else, such as the video itself."""
    if folder.exists() and not any((folder / name).is_file() for name in (FINISHED, MANIFEST)):
        raise ExportError(f"{folder}: is there already, and is no result of a batch. Give another folder with --out.")


def _export(folder: Path, finished: Finished, formats: Sequence[str]) -> tuple[Finished, str]:
    """Export the recording in *folder* in *formats*; returns *finished* with what was done, and the first error in a line."""
    if not formats:
        return finished, ""
    done, errors, remarks = [], [], []
    recording = SavedRecording.read(folder)
    for name in formats:
        if EXPORTS[name].one_person and not recording.person_ids:
            remarks.append(f"nobody is in it, so there is no {name}")
            done.append(name)
            continue
        exported = list(export_recording(recording, [name], folder / DEFAULT_FOLDER, ExportOptions(), replace=True))
        errors += [one.error for one in exported if one.error]
        if not any(one.error for one in exported):
            done.append(name)
    return finished.with_formats(tuple(done), "; ".join(remarks)), errors[0] if errors else ""


def _never(folder: Path, device: str, precision: str) -> bool:
    del folder, device, precision
    return False


def leftovers(job: Job) -> list[Path]:
    """What a process that was killed has left of *job*, beside its folder."""
    parent, name = job.folder.parent, job.folder.name
    try:
        beside = list(parent.iterdir())
    except OSError:
        return []
    return [
        path
        for path in beside
        if path.name.startswith(f".{name}-")
        and (path.suffix == ".tmp" or (path.suffix == ".pieces" and path != job.pieces_folder))
    ]


def clear_leftovers(job: Job) -> None:
    """Remove what a process that was killed has left of *job*."""
    for path in leftovers(job):
        shutil.rmtree(path, ignore_errors=True)
