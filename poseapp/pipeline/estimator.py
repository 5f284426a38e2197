"""The Estimator protocol: frames in, the people in each of them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from poseapp.core.spec import ModelSpec
from poseapp.core.tracking import Tracker
from poseapp.core.types import FloatArray, Frame, ImageArray, PoseMode, Result
from poseapp.pipeline.predictor import Predictor

Point = tuple[float, float]


class Estimator(Protocol):
    """Finds the people in frame after frame.

    ``modes.make_estimator`` makes one for an engine; evaluation and the inference thread of a session use it. All calls come
    from the thread that the engine lives on::

        other = make_estimator(...)
        other.take_over_state(before)       once, before the first frame, where another estimator ran before
        loop:
            other.reset()                   before the first frame of another source or clip
            other.lock(xy)                  for each click, before the next frame
            other.estimate(frame)           for each frame, in the order of capture times
            other.rewind()                  before the first frame of each further round of the same clip
            other.renumber()                between two frames, where identities may change: never within a recording

    An estimator owns its tracker, but not the engine and the detector: the caller that opened them closes them.
    """

    predictor: Predictor  # what frames are looked at with; may be replaced before the first frame

    @property
    def mode(self) -> PoseMode:
        """How people are found."""
        ...

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        ...

    @property
    def tracker(self) -> Tracker:
        """Gives people their identities."""
        ...

    @property
    def locked(self) -> int | None:
        """The identity that the user holds on to."""
        ...

    def estimate(self, frame: Frame, heatmaps: bool = False, wait_ms: float = 0.0) -> Result:
        """The people in *frame*, with each stage's time in ms; *wait_ms* is how long the frame has waited.

        *heatmaps* asks for the heatmaps of every region, which cost a copy. Errors of the engine pass through.
        """
        ...

    def reset(self) -> None:
        """Forget everybody: from now on the picture is another one."""
        ...

    def lock(self, xy: Point | None) -> None:
        """Hold on to the person at *xy*, frame px. None lets go, and so does a click on the person who is already held."""
        ...

    def take_over_state(self, other: Estimator) -> None:
        """Take over the state of *other*, after a change of model or mode: identities, the locked person, where people were."""
        ...

    def rewind(self) -> None:
        """The same clip begins again: its people come again, with the numbers they had, and the lock stays."""
        ...

    def renumber(self) -> Mapping[int, int]:
        """Number the people from 1 again: first those who are known. Returns old number → new."""
        ...


class PersonFinder(Protocol):
    """What a person detector promises; engine/detector.py has one."""

    def find(self, image: ImageArray, limit: int = 30) -> tuple[FloatArray, FloatArray]:
        """Boxes (M, 4) x, y, width, height in px of *image* (H, W, 3) uint8 BGR, and their scores (M,), best first."""
        ...

    def close(self) -> None:
        """Free what it holds; safe to call twice."""
        ...


def locked_after(tracker: Tracker, locked: int | None, xy: Point | None) -> int | None:
    """Who is locked after a click at *xy*. A click on nobody changes nothing; a click on the *locked* person lets go."""
    if xy is None:
        return None
    hit = tracker.lock(xy)
    if hit is None:
        return locked
    return None if hit == locked else hit
