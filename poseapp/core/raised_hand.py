"""A raised hand as a sign to the app: one hand is held above the head for two seconds."""

from __future__ import annotations

from dataclasses import dataclass

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, Poses

HOLD_S = 2.0
LONGEST_GAP_S = 0.4  # so long a hand may be lost, or seen lower, without being counted as lowered: a joint that jumps
LONGEST_PAUSE_S = 1.5  # between two frames; after a longer pause nobody knows where the hand was
LEAST_SCORE = 0.3
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
# The crown lies above the face by 0.6 of the way from the shoulders to the face: standing adults have the shoulders at 0.82 of
# their height, the eyes and the nose at about 0.93 (Winter, Biomechanics and Motor Control of Human Movement, table 4.1).
CROWN = 0.6


@dataclass
class _Hand:
    """A hand that is up: since when, when it was seen there last, and whether it has given its sign."""

    since: float
    last: float
    signed: bool = False


class RaisedHand:
    """Looks for the sign in frame after frame.

    One hand must be above the head: who lifts both is training. A hand gives one sign; it must be lowered before the next one.
    """

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._hands: dict[int, _Hand] = {}  # by the identity of the person
        self._t = 0.0

    @property
    def progress(self) -> float:
        """How much of the time a hand has been held up that gives a sign next, 0..1; 0 where none is up."""
        held = [self._t - hand.since for hand in self._hands.values() if not hand.signed]
        return min(1.0, max(held, default=0.0) / self._hold_s)

    def update(self, poses: Poses, t: float) -> bool:
        """Take in the people of the frame at *t* s; whether somebody has completed the sign with it."""
        if not 0 <= t - self._t <= LONGEST_PAUSE_S:  # a clip that begins again, or a long silence
            self._hands.clear()
        self._t = t
        signed = False
        for i, person in enumerate(poses.ids.tolist()):
            if is_hand_up(poses.xy[i], poses.score[i], poses.skeleton):
                hand = self._hands.setdefault(person, _Hand(t, t))
                hand.last = t
                if not hand.signed and t - hand.since >= self._hold_s:
                    hand.signed = signed = True
        self._hands = {person: hand for person, hand in self._hands.items() if t - hand.last <= LONGEST_GAP_S}
        return signed

    def reset(self) -> None:
        """Forget everybody."""
        self._hands.clear()


def is_hand_up(xy: FloatArray, score: FloatArray, skeleton: Skeleton) -> bool:
    """Whether exactly one wrist of the person with the joints *xy* (K, 2) px and *score* (K,) is above the crown of the head.

    False for somebody who lies, and where shoulders and head are not seen.
    """
    seen = {
        name: (float(x), float(y))
        for name, (x, y), s in zip(skeleton.keypoints, xy.tolist(), score.tolist(), strict=True)
        if s >= LEAST_SCORE and x == x and y == y
    }
    shoulders = [seen[name] for name in ("left_shoulder", "right_shoulder") if name in seen]
    if not shoulders or not _is_upright(seen, shoulders):
        return False
    shoulder_y = sum(y for _, y in shoulders) / len(shoulders)
    face = [seen[name][1] for name in FACE if name in seen]
    if "head_top" in seen:
        crown = seen["head_top"][1]
    elif face:
        face_y = sum(face) / len(face)
        crown = face_y - CROWN * (shoulder_y - face_y)
    else:
        return False
    if crown >= shoulder_y:  # upside down
        return False
    return sum(1 for name in ("left_wrist", "right_wrist") if name in seen and seen[name][1] < crown) == 1


def _is_upright(seen: dict[str, tuple[float, float]], shoulders: list[tuple[float, float]]) -> bool:
    """Whether the hips are below the shoulders, where they are seen."""
    hips = [seen[name] for name in ("left_hip", "right_hip") if name in seen]
    if not hips:
        return True
    across = sum(x for x, _ in hips) / len(hips) - sum(x for x, _ in shoulders) / len(shoulders)
    down = sum(y for _, y in hips) / len(hips) - sum(y for _, y in shoulders) / len(shoulders)
    return down > abs(across)
