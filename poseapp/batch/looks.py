"""What a network found in which region of which frame: noted while a piece is analysed, and recalled when pieces are joined."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_path
from poseapp.core.skeleton import Skeleton
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.pipeline.estimator import PersonFinder
from poseapp.pipeline.predictor import CropPoses, Predictor, StageTimer

Box = NDArray[np.floating]
Found = tuple[FloatArray, FloatArray]  # joints (n, K, 2) px and scores (n, K) of a region; or boxes (m, 4) and scores (m,)


@dataclass(eq=False)
class Looks:
    """What the network found: ``people`` by frame and region, ``boxes`` by frame, as the person detector gave them.

    ``backend`` is what ran, as text: pieces of one clip must have been computed alike. ``first_pictures`` and ``next_pictures``
    are hashes of the first pictures of this piece, and of the first ones after it: they show that both sides of a cut agree.
    """

    backend: str = ""
    people: dict[tuple[int, bytes], Found] = field(default_factory=dict)
    boxes: dict[int, Found] = field(default_factory=dict)
    first_pictures: tuple[str, ...] = ()
    next_pictures: tuple[str, ...] = ()

    def write(self, path: Path, k: int) -> None:
        """Write them to *path* for a skeleton of *k* joints, whole or not at all. Raises OSError."""
        keys = list(self.people)
        people = [self.people[key] for key in keys]
        frames = list(self.boxes)
        boxes = [self.boxes[frame] for frame in frames]
        with atomic_path(path) as part, part.open("wb") as file:
            np.savez(
                file,
                about=np.array([self.backend, *self.first_pictures, "", *self.next_pictures]),
                frames=np.array([frame for frame, _ in keys], np.int64),
                regions=np.frombuffer(b"".join(region for _, region in keys), np.float32).reshape(-1, 4),
                counts=np.array([len(xy) for xy, _ in people], np.int64),
                xy=np.concatenate([np.zeros((0, k, 2), np.float32), *(xy for xy, _ in people)]),
                score=np.concatenate([np.zeros((0, k), np.float32), *(score for _, score in people)]),
                box_frames=np.array(frames, np.int64),
                box_counts=np.array([len(found) for found, _ in boxes], np.int64),
                boxes=np.concatenate([np.zeros((0, 4), np.float32), *(found for found, _ in boxes)]),
                box_scores=np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in boxes)]),
            )

    @classmethod
    def read(cls, path: Path, skeleton: Skeleton) -> Looks:
        """Those in the file at *path*. Raises RecordError where it is missing or damaged."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                backend, *pictures = content["about"].tolist()
                cut = pictures.index("")
                looks = cls(backend, first_pictures=tuple(pictures[:cut]), next_pictures=tuple(pictures[cut + 1 :]))
                ends = np.cumsum(content["counts"])
                xy, score = content["xy"], content["score"]
                if xy.shape[1:] != (skeleton.k, 2) or (len(ends) and ends[-1] != len(xy)):
                    raise ValueError("other joints")
                for frame, region, end, n in zip(content["frames"], content["regions"], ends, content["counts"], strict=True):
                    looks.people[int(frame), region.tobytes()] = xy[end - n : end], score[end - n : end]
                boxes, scores = content["boxes"], content["box_scores"]
                ends = np.cumsum(content["box_counts"])
                for frame, end, n in zip(content["box_frames"], ends, content["box_counts"], strict=True):
                    looks.boxes[int(frame)] = boxes[end - n : end], scores[end - n : end]
                return looks
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RecordError(f"{path}: is damaged ({error}). Run the batch again.") from None


class NotingPredictor:
    """Looks with *predictor*, and notes in *looks* what was found in the frame ``at``."""

    def __init__(self, predictor: Predictor, looks: Looks) -> None:
        self._predictor, self._looks, self.at = predictor, looks, 0

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._predictor.spec

    def predict(self, image: ImageArray, boxes: Sequence[Box], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """See Predictor."""
        seen = self._predictor.predict(image, boxes, heatmaps, timer)
        if len(boxes) == 1:  # bottom-up: everybody is in the one box
            self._looks.people[self.at, _key(boxes[0])] = seen.xy, seen.score
        else:
            for n, box in enumerate(boxes):
                self._looks.people[self.at, _key(box)] = seen.xy[n : n + 1], seen.score[n : n + 1]
        return seen


class NotingFinder:
    """Finds people with *finder*, and notes in *looks* where they were in the frame ``at``."""

    def __init__(self, finder: PersonFinder, looks: Looks) -> None:
        self._finder, self._looks, self.at = finder, looks, 0

    def find(self, image: ImageArray, limit: int = 30) -> Found:
        """See PersonFinder. All are noted, so that a smaller *limit* is served, too."""
        boxes, scores = self._looks.boxes.get(self.at) or self._finder.find(image)
        self._looks.boxes[self.at] = boxes, scores
        return boxes[:limit], scores[:limit]

    def close(self) -> None:
        """See PersonFinder."""
        self._finder.close()


class RecallingPredictor:
    """Recalls what was found in the frame ``at``, and looks with *predictor* where nobody has looked.

    *picture* gives a frame by its number. ``misses`` counts the frames for which it was asked.
    """

    def __init__(self, predictor: Predictor, picture: Callable[[int], ImageArray]) -> None:
        self._predictor, self._picture = predictor, picture
        self.looks, self.at, self.misses = Looks(), 0, 0

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._predictor.spec

    def predict(self, image: ImageArray, boxes: Sequence[Box], heatmaps: bool, timer: StageTimer) -> CropPoses:
        """See Predictor; *image* is not looked at. Where one box is missing, all are looked at, in one batch as ever."""
        found = [self.looks.people.get((self.at, _key(box))) for box in boxes]
        if None in [None if one is None else 0 for one in found]:
            self.misses += 1
            return self._predictor.predict(self._picture(self.at), boxes, heatmaps, timer)
        known = [one for one in found if one is not None]
        for stage in ("crop", "inference"):  # estimators ask how long they took
            timer.mark(stage)
        return CropPoses(np.concatenate([xy for xy, _ in known]), np.concatenate([score for _, score in known]), ())


class RecallingFinder:
    """Recalls where people were in the frame ``at``, and finds them with *finder* where nobody has looked."""

    def __init__(self, finder: PersonFinder, picture: Callable[[int], ImageArray]) -> None:
        self._finder, self._picture = finder, picture
        self.looks, self.at = Looks(), 0

    def find(self, image: ImageArray, limit: int = 30) -> Found:
        """See PersonFinder; *image* is not looked at."""
        found = self.looks.boxes.get(self.at)
        if found is None:
            found = self._finder.find(self._picture(self.at))
        return found[0][:limit], found[1][:limit]

    def close(self) -> None:
        """See PersonFinder."""
        self._finder.close()


def _key(box: Box) -> bytes:
    return box.astype(np.float32).tobytes()
