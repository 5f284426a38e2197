"""Moving pictures made of stills: a camera pans and zooms over one person. Does the app find them, and keep them?

Nobody says where the person is, as in front of a webcam. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics, transform
from poseapp.core.errors import DataError
from poseapp.core.geometry import box_around, box_iou
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, Frame, ImageArray, Poses
from poseapp.engine.base import Engine
from poseapp.pipeline.estimator import PersonFinder
from poseapp.pipeline.modes import make_estimator
from poseapp.train.data.annotations import Person, read_image
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.eval.figures import as_json

SIZES = ((480, 640), (720, 1280))  # height and width of a frame
HEIGHTS = (0.3, 1.0)  # of the person, in heights of the frame
FRAMES, FPS = 45, 30.0
LOCK_WITHIN = 10
# The app is on a person when what it shows covers the same place: intersection over union of the boxes about the joints.
SAME_PLACE = 0.5
SURE = 0.2  # joints below it are not shown anywhere
MIN_JOINTS = 8
LOST_AFTER = 3  # frames in a row


@dataclass(frozen=True, eq=False)
class PannedSequence:
    """One picture as a sequence: ``affines`` (F, 2, 3) take px of the picture to those of each frame, ``hw`` in size."""

    person: Person
    affines: NDArray[np.float64]
    hw: tuple[int, int]

    def frames(self) -> Iterator[Frame]:
        """The frames, with capture times. What lies beyond the picture is a blur of it, as television fills a wide screen."""
        h, w = self.hw
        image = read_image(self.person.path)
        tiny = cv2.resize(image, (16, 9), interpolation=cv2.INTER_AREA)
        behind = cv2.GaussianBlur(cv2.resize(tiny, (w, h), interpolation=cv2.INTER_CUBIC), (0, 0), h / 24)
        behind = cv2.convertScaleAbs(behind, alpha=0.6)
        for number, affine in enumerate(self.affines):
            frame: ImageArray = behind.astype(np.uint8)  # a copy
            corners = np.array([[0.0, 0.0], [image.shape[1] - 1.0, image.shape[0] - 1.0]])
            (left, top), (right, bottom) = transform.apply(affine, corners)
            rows, columns = (slice(max(0, math.ceil(a)), max(0, math.floor(b))) for a, b in ((top, bottom), (left, right)))
            frame[rows, columns] = transform.crop(image, affine, self.hw)[rows, columns]
            yield Frame(frame, number, number / FPS)

    def truth(self, number: int) -> FloatArray:
        """The joints (K, 3) in px of frame *number*."""
        joints = self.person.joints.copy()
        joints[:, :2] = transform.apply(self.affines[number], joints[:, :2])
        return joints


def panned_sequences(people: Sequence[Person], limit: int = 0, seed: int = 0) -> list[PannedSequence]:
    """A sequence for each person who is alone in a picture and has eight or more labelled joints; of *limit* (0: all) people.

    Sizes of frames take turns, heights of people are spread evenly over 30 to 100 % of the frame's. The camera sways around
    the person and its zoom breathes. Raises DataError when there is nobody.
    """
    in_picture: dict[int, int] = {}
    for person in people:
        in_picture[person.image_id] = in_picture.get(person.image_id, 0) + 1
    alone = [p for p in people if in_picture[p.image_id] == 1 and np.count_nonzero(p.joints[:, 2]) >= MIN_JOINTS]
    if not alone:
        raise DataError("following: expected a person alone in a picture, with eight labelled joints, got none.")
    alone = alone[: limit or None]
    random = np.random.default_rng(seed)
    shares = (random.permutation(len(alone)) + 0.5) / len(alone)
    return [_pan(p, SIZES[i % len(SIZES)], share, random) for i, (p, share) in enumerate(zip(alone, shares, strict=True))]


def _pan(person: Person, hw: tuple[int, int], share: float, random: np.random.Generator) -> PannedSequence:
    h, w = hw
    x, y, width, height = person.box.astype(np.float64)
    tall = HEIGHTS[0] + (HEIGHTS[1] - HEIGHTS[0]) * share
    # A lying person may be wider than the frame is at that height.
    zoom = min(h * tall / height, 0.95 * w / width)
    breath = 0.08 if zoom * height * 1.08 <= h else 0.0
    seconds = np.arange(FRAMES) / FPS
    sway, phase = random.uniform(0.03, 0.12) * w, random.uniform(0, 2 * math.pi, 3)
    room = np.maximum(np.array([w, h]) - zoom * (1 + breath) * np.array([width, height]), 0) / 2
    home = np.array([w, h]) / 2 - 0.5 + random.uniform(-1, 1, 2) * room
    affines = []
    for t in seconds:
        scale = zoom * (1 + breath * math.sin(2.1 * t + phase[0]))
        moved = home + np.minimum(room, (sway, 0.3 * sway)) * np.sin([1.9 * t + phase[1], 1.3 * t + phase[2]])
        limits = np.array([w, h]) / 2 - 0.5
        centre = np.clip(moved, limits - room, limits + room)
        affines.append(np.column_stack([np.eye(2) * scale, centre - scale * np.array([x + width / 2, y + height / 2])]))
    return PannedSequence(person, np.stack(affines), hw)


@dataclass(frozen=True)
class PanningFigures:
    """How well people are found and kept in ``sequences`` of 45 frames; shares are 0..1, the names the keys of the JSON file.

    ``lock_rate`` is the share locked on within ten frames, ``lock_rate_small`` of people under half the frame's height and
    ``lock_rate_large`` of the others; ``median_frames_to_lock`` counts frames until the first that is right (1: at once), of
    those ever locked on. After that ``loss_rate`` is the share of frames in which the app shows nobody or another place,
    ``lost`` the share of sequences in which it does so three frames in a row, and ``mean_oks`` is over the other frames.
    """

    sequences: int
    lock_rate: float
    lock_rate_small: float
    lock_rate_large: float
    median_frames_to_lock: float
    loss_rate: float
    lost: float
    mean_oks: float

    def to_json(self) -> str:
        """The text of the JSON file; null for what cannot be said."""
        return as_json(self)


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """What became of one sequence: whether the app was ``on`` the person (F,), and the OKS (F,) of what it showed, else NaN."""

    panned: PannedSequence
    on: NDArray[np.bool_]
    oks: NDArray[np.float64]


def score_sequence(panned: PannedSequence, poses: Sequence[Poses], skeleton: Skeleton) -> SequenceResult:
    """Compare what was shown, *poses* of each frame, with the truth. Of several people the first counts."""
    on, similarity = np.zeros(len(poses), bool), np.full(len(poses), np.nan)
    for number, shown in enumerate(poses):
        if not len(shown):
            continue
        truth = panned.truth(number)
        scale = float(np.sqrt(np.linalg.det(panned.affines[number][:, :2])))
        sure = shown.score[0] >= SURE
        if np.count_nonzero(sure) >= 2:
            on[number] = box_iou(box_around(shown.xy[0][sure]), box_around(truth[truth[:, 2] > 0, :2])) >= SAME_PLACE
        similarity[number] = metrics.oks(shown.xy[0], truth, panned.person.area * scale**2, skeleton.sigmas)
    return SequenceResult(panned, on, similarity)


def score_sequences(
    sequences: Sequence[PannedSequence],
    show: Callable[[PannedSequence], list[Poses]],
    skeleton: Skeleton,
    on_sequence: Callable[[int, int], None] = lambda done, total: None,
) -> list[SequenceResult]:
    """Let *show* find people in each of *sequences*, beginning anew with each, and compare."""
    out = []
    for i, sequence in enumerate(sequences):
        out.append(score_sequence(sequence, show(sequence), skeleton))
        on_sequence(i + 1, len(sequences))
    return out


def summarise(followed: Sequence[SequenceResult]) -> PanningFigures:
    """The figures of all sequences."""
    first = np.array([int(f.on.argmax()) + 1 if f.on.any() else 10**6 for f in followed])
    tall = np.array([_height(f.panned) for f in followed])
    in_time = first <= LOCK_WITHIN
    after = [(f.on[n:], f.oks[n:]) for f, n in zip(followed, first, strict=True) if n < len(f.on)]
    on = np.concatenate([a for a, _ in after]) if after else np.empty(0, bool)
    similarity = np.concatenate([o[a] for a, o in after]) if after else np.empty(0)
    lost = [bool(np.convolve(~a, np.ones(LOST_AFTER)).max(initial=0) >= LOST_AFTER) for a, _ in after]
    return PanningFigures(
        sequences=len(followed),
        lock_rate=_mean(in_time),
        lock_rate_small=_mean(in_time[tall < 0.5]),
        lock_rate_large=_mean(in_time[tall >= 0.5]),
        median_frames_to_lock=float(np.median(first[first < 10**6])) if (first < 10**6).any() else math.nan,
        loss_rate=_mean(~on),
        lost=_mean(np.array(lost)),
        mean_oks=_mean(similarity),
    )


def evaluate_panning(
    engine: Engine,
    detector: PersonFinder | None,
    annotations: Path,
    images: Path,
    limit: int = 0,
    on_sequence: Callable[[int, int], None] = lambda done, total: None,
) -> PanningFigures:
    """Let the Estimator of the mode "one" find and follow people through sequences made of a set's pictures.

    *limit* stops after so many sequences (0: all). Raises DataError on wrong annotations or pictures.
    """
    skeleton = engine.spec.skeleton
    sequences = panned_sequences(LabelledSet(annotations, images, "val").read(skeleton, 1), limit)
    estimator = make_estimator("one", engine, detector)

    def show(sequence: PannedSequence) -> list[Poses]:
        estimator.reset()
        return [estimator.estimate(frame).poses for frame in sequence.frames()]

    return summarise(score_sequences(sequences, show, skeleton, on_sequence))


def conventions(engine: Engine, detector: PersonFinder | None) -> str:
    """One line that says how the figures were made."""
    found_by = "searched for in one region a frame" if detector is None else "found by the person detector"
    sizes = " and ".join(f"{w}×{h}" for h, w in SIZES)
    return (
        f"pictures panned and zoomed in frames of {sizes}, one person at {100 * HEIGHTS[0]:.0f} to "
        f"{100 * HEIGHTS[1]:.0f} % of the height, {found_by}; on a person: the boxes about the joints overlap by "
        f"{SAME_PLACE:g}; {engine.backend}"
    )


def _height(panned: PannedSequence) -> float:
    """Of the person in the first frame, in heights of the frame."""
    return float(panned.affines[0, 1, 1] * panned.person.box[3] / panned.hw[0])


def _mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else math.nan
