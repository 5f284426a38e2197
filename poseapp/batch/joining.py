"""A piece analysed by itself, and the pieces of a video joined to one recording, equal to that of the whole video.

The pieces are analysed apart, each from the beginning: nobody is known at its first picture. Joining runs the very estimator
that analyses whole videos over all frames, but for each region it recalls what the network found there (``looks.py``). Where
nobody has looked, as in the first frames after a cut, the network looks again, until the regions are those of the piece
(``core.roi.on_grid`` sees to that). So joints, tracks, identities and smoothing are those of one piece, by construction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from poseapp.batch.looks import Looks, NotingFinder, NotingPredictor, RecallingFinder, RecallingPredictor
from poseapp.batch.method import Method
from poseapp.batch.pieces import NotCuttableError, Piece, PieceReader, agree_beside
from poseapp.core.errors import PoseAppError
from poseapp.core.smoothing import Smoother
from poseapp.core.types import Frame, ImageArray
from poseapp.engine.base import Engine
from poseapp.engine.detector import Detector
from poseapp.live.recording import ModelEntry, Recorder, Recording, RecordOptions, SourceEntry
from poseapp.live.sources import VideoSource
from poseapp.live.stats import Stats
from poseapp.pipeline.modes import make_estimator, open_detector, smooth_rule
from poseapp.review.clip_reader import ClipReader

FINISH_S = 600.0  # for the files of a recording of hours to be written to a slow disk

GoOn = Callable[[int], bool]
"""Gets how many frames are done; False gives up."""


class GivenUpError(Exception):
    """The work was given up because the user wants it so."""


class PieceAnalyst:
    """Analyses pieces and joins them, with an engine that is made once. Made, used and closed on one thread.

    Raises ModelError where the model cannot be loaded.
    """

    def __init__(self, method: Method) -> None:
        self._method = method
        with ExitStack() as stack:
            self._engine: Engine = stack.enter_context(closing(method.open_engine()))
            detector = open_detector(method.folder.parent) if method.mode != "bottom-up" else None
            self._detector: Detector | None = stack.enter_context(closing(detector)) if detector is not None else None
            self._open = stack.pop_all()

    @property
    def backend(self) -> str:
        """What runs."""
        return str(self._engine.backend)

    def close(self) -> None:
        """Give the engine back; safe to call twice."""
        self._open.close()

    def analyse(self, path: Path, piece: Piece, to: Path, go_on: GoOn) -> None:
        """Analyse *piece* of the video at *path*, and write what the network found to the file *to*.

        Raises NotCuttableError, SourceError, OSError, and GivenUpError where *go_on* says so.
        """
        looks = Looks(backend=str(self._engine.backend))
        finder = NotingFinder(self._detector, looks) if self._detector is not None else None
        estimator = make_estimator(self._method.mode, self._engine, finder, thorough=True)
        estimator.predictor = predictor = NotingPredictor(estimator.predictor, looks)
        reader = PieceReader(path, piece)
        for number, (image, t) in enumerate(zip(reader, piece.times_s, strict=True), piece.first):
            predictor.at = number
            if finder is not None:
                finder.at = number
            estimator.estimate(Frame(image, number, t))
            if not go_on(number + 1 - piece.first):
                raise GivenUpError
        looks.first_pictures, looks.next_pictures = reader.first_pictures, reader.next_pictures
        looks.write(to, self._engine.spec.skeleton.k)

    def join(self, path: Path, pieces: Sequence[Piece], files: Sequence[Path], options: RecordOptions, go_on: GoOn) -> Recording:
        """Join the *pieces*, of which *files* have what was found, to a recording of the video at *path*.

        Raises NotCuttableError where they do not fit together, RecordError, SourceError, and GivenUpError.
        """
        with _Pictures(path) as pictures:
            source = VideoSource(path)
            actual = source.open()
            recorder = Recorder(options, SourceEntry.of(source, actual), Stats(), lossless=True, first_index=0)
            try:
                seeing = options.annotated_video or options.clean_video
                if not seeing:
                    source.close()
                images = _seen(source) if seeing else _unseen((actual.height, actual.width))
                self._replay(images, pieces, files, recorder, pictures, go_on)
            finally:
                source.close()
                recorder.close()
                ended = recorder.join(FINISH_S)
            recording = recorder.status()
        if recording.error or not ended:
            raise PoseAppError(recording.error or f"{recording.folder}: the disk does not take the end of the files.")
        return recording

    def _replay(
        self,
        images: Iterator[ImageArray],
        pieces: Sequence[Piece],
        files: Sequence[Path],
        recorder: Recorder,
        pictures: _Pictures,
        go_on: GoOn,
    ) -> None:
        """Run the estimator over all *images* with what was found in them, into *recorder*."""
        spec = self._engine.spec
        finder = RecallingFinder(self._detector, pictures.picture) if self._detector is not None else None
        estimator = make_estimator(self._method.mode, self._engine, finder, thorough=True)
        estimator.predictor = predictor = RecallingPredictor(estimator.predictor, pictures.picture)
        rule = smooth_rule(self._method.smoothing)
        smoother = Smoother(spec.skeleton)
        detector = self._detector.spec if self._detector is not None else None
        backend = self._engine.backend
        recorder.model_changed(ModelEntry(mode=self._method.mode, model=spec, backend=backend, detector=detector))
        number = 0
        for piece, looks in zip(pieces, self._looks(files), strict=True):
            predictor.looks = looks
            if finder is not None:
                finder.looks = looks
            for t in piece.times_s:
                frame = Frame(next(images), number, t)
                predictor.at = number
                if finder is not None:
                    finder.at = number
                recorder.capture(frame)
                result = estimator.estimate(frame)
                if rule is not None:
                    smoother.rule = rule
                    result = replace(result, smoothed=smoother.update(result.poses, t), smoothing=rule)
                recorder.put(result)
                number += 1
                if not recorder.taking:  # it says why
                    return
                if not go_on(number):
                    raise GivenUpError

    def _looks(self, files: Sequence[Path]) -> Iterator[Looks]:
        """What was found in each piece; raises NotCuttableError where two of them do not fit together."""
        before: Looks | None = None
        for file in files:
            looks = Looks.read(file, self._engine.spec.skeleton)
            if looks.backend != str(self._engine.backend):
                raise NotCuttableError(f"a piece was computed by {looks.backend}, and not by {self._engine.backend}")
            if before is not None and not agree_beside(before.next_pictures, looks.first_pictures):
                raise NotCuttableError("its pictures differ with where reading begins")
            before = looks
            yield looks


def _unseen(hw: tuple[int, int]) -> Iterator[ImageArray]:
    """Black pictures: what was found in them is known, and nobody looks at them."""
    black = np.zeros((*hw, 3), np.uint8)
    while True:
        yield black


def _seen(source: VideoSource) -> Iterator[ImageArray]:
    while (item := source.read()) is not None:
        yield item[0]


class _Pictures:
    """The pictures of the video at *path* that have to be looked at again; it is opened when the first one is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: ClipReader | None = None

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            with contextlib.suppress(PoseAppError):
                self._reader.close()

    def picture(self, number: int) -> ImageArray:
        """Picture *number*, (H, W, 3) uint8 BGR. Raises SourceError."""
        if self._reader is None:
            self._reader = ClipReader(self._path, longest_index_s=float("inf"))
        return self._reader.picture(number)
