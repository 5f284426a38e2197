"""Angles of joints and of segments of the body, in degrees, over frames and people at once.

The angles are those in the picture: of a body that is turned towards or away from the camera they are not the angles in space.

Angles of joints follow the neutral-zero method (Ryf & Weymann, "The neutral zero method: a principle of measuring joint
function", Injury 26, Suppl. 1, 1995; Cave & Roberts, J. Bone Joint Surg. 18, 1936): 0° is the position of somebody who
stands upright with hanging arms.

* Knee, hip, elbow and neck: *flexion*, 0° = straight. A picture does not tell flexion from over-extension: both are above 0°.
* Shoulder: between upper arm and trunk, 0° = the arm hangs along the trunk, 180° = it points up.
* Ankle: 0° = the foot is at a right angle to the shank; dorsiflexion (the toes come up) is above 0°, plantar flexion below.

Angles of segments are those to the vertical of the picture, from the lower end of somebody who stands to the upper one: 0° =
upright, above 0° = the upper end leans to the right of the picture, up to 180° upside down. They are counted from the vertical,
and clockwise, where Winter (Biomechanics and Motor Control of Human Movement, 4th ed., 2009, section 3.3) counts from the right.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton

Degrees = NDArray[np.float64]

# Places that are the middle of several joints. Of the head's those count that are seen, since a side view hides one ear; of
# the others both must be seen, or the middle would jump.
_MIDDLES = {"shoulders": ("left_shoulder", "right_shoulder"), "hips": ("left_hip", "right_hip")}
_HEAD = (("left_ear", "right_ear"), ("head_top",))
_SHORTEST = 1e-6  # px; a shorter segment has no direction


@dataclass(frozen=True, kw_only=True)
class JointAngle:
    """The angle at the second of three *places*: joints, or "shoulders", "hips" and "head".

    It is *neutral* minus the angle between the two segments, or the negative of that where *opening*.
    """

    name: str
    places: tuple[str, str, str]
    neutral: float = 180.0
    opening: bool = False


@dataclass(frozen=True, kw_only=True)
class SegmentAngle:
    """The angle of the segment from the *lower* to the *upper* place to the vertical of the picture."""

    name: str
    lower: str
    upper: str


Angle = JointAngle | SegmentAngle


def _of_side(side: str) -> tuple[Angle, ...]:
    def joint(name: str, a: str, b: str, c: str, neutral: float = 180.0, opening: bool = False) -> JointAngle:
        places = (f"{side}_{a}", f"{side}_{b}", f"{side}_{c}")
        return JointAngle(name=f"{side}_{name}", places=places, neutral=neutral, opening=opening)

    def segment(name: str, lower: str, upper: str) -> SegmentAngle:
        return SegmentAngle(name=f"{side}_{name}", lower=f"{side}_{lower}", upper=f"{side}_{upper}")

    return (
        joint("knee", "hip", "knee", "ankle"),
        joint("hip", "shoulder", "hip", "knee"),
        joint("elbow", "shoulder", "elbow", "wrist"),
        joint("shoulder", "hip", "shoulder", "elbow", neutral=0.0, opening=True),
        joint("ankle", "knee", "ankle", "big_toe", neutral=90.0),
        segment("thigh", "knee", "hip"),
        segment("shank", "ankle", "knee"),
        segment("upper_arm", "elbow", "shoulder"),
        segment("forearm", "wrist", "elbow"),
    )


ANGLES: tuple[Angle, ...] = (
    *_of_side("left"),
    *_of_side("right"),
    SegmentAngle(name="trunk", lower="hips", upper="shoulders"),
    JointAngle(name="neck", places=("hips", "shoulders", "head")),
)
"""All angles by the names of joints; ``angles_of`` says which of them a skeleton has."""


def three_joints(first: str, vertex: str, last: str) -> JointAngle:
    """The flexion at *vertex* between the joints *first* and *last*: 0° = the three are in a line."""
    return JointAngle(name=f"{first}-{vertex}-{last}", places=(first, vertex, last))


@cache
def angles_of(skeleton: Skeleton) -> tuple[Angle, ...]:
    """Those of ANGLES whose joints *skeleton* has, in the same order."""
    return tuple(angle for angle in ANGLES if all(_joints_at(skeleton, place) for place in _places(angle)))


def measure(
    xy: NDArray[np.floating],
    score: NDArray[np.floating],
    skeleton: Skeleton,
    threshold: float,
    angles: Sequence[Angle] | None = None,
) -> Degrees:
    """The *angles* (..., A) in degrees of joints *xy* (..., K, 2) px with *score* (..., K); by default ``angles_of(skeleton)``.

    NaN where a joint is missing or has a score below *threshold*, and where two joints of an angle are at the same place.
    Raises KeyError, with the joints that there are, for an angle whose joints *skeleton* has not.
    """
    plan = _plan(skeleton, angles_of(skeleton) if angles is None else tuple(angles))
    z = np.ascontiguousarray(xy, np.float64).view(np.complex128)[..., 0]
    z = np.where((score >= threshold) & np.isfinite(z), z, np.nan)  # infinite coordinates have no direction either
    if plan.middles:
        z = np.concatenate([z, *(_middle(z, joints, needed)[..., None] for joints, needed in plan.middles)], axis=-1)
    out = np.empty((*z.shape[:-1], plan.count))
    if plan.at_joints.size:
        a, b, c = (z[..., ends] for ends in plan.ends)
        out[..., plan.at_joints] = plan.sign * (_between(a - b, c - b) - plan.neutral)
    if plan.of_segments.size:
        out[..., plan.of_segments] = _to_vertical(z[..., plan.upper] - z[..., plan.lower])
    return out


@cache
def joints_of(skeleton: Skeleton, angle: Angle) -> tuple[tuple[tuple[int, ...], int], ...]:
    """For each place of *angle* the joints whose middle it is, and how many of them must be seen."""
    found = ((place, _joints_at(skeleton, place)) for place in _places(angle))
    return tuple((joints, 1 if place == "head" else len(joints)) for place, joints in found)


def in_plain_numbers(angle: Angle, places: Sequence[complex]) -> float:
    """*angle* in degrees, as ``measure`` gives it, of its *places*, x + iy in px, of which neighbours differ."""
    if isinstance(angle, SegmentAngle):
        up = places[1] - places[0]
        return math.degrees(math.atan2(up.real, -up.imag))
    a, b, c = places
    between = abs(math.degrees(cmath.phase((c - b) / (a - b)))) - angle.neutral
    return between if angle.opening else -between


def side_differences(values: Degrees, angles: Sequence[Angle]) -> dict[str, Degrees]:
    """Left minus right, in degrees, by the name without its side, of *values* (..., A); NaN where either is.

    Differences of segments take the short way round: 179° and -179° are 2° apart.
    """
    names = [angle.name for angle in angles]
    found = {}
    for i, (name, angle) in enumerate(zip(names, angles, strict=True)):
        side, _, part = name.partition("_")
        if side == "left" and f"right_{part}" in names:
            difference = values[..., i] - values[..., names.index(f"right_{part}")]
            found[part] = _wrapped(difference) if isinstance(angle, SegmentAngle) else difference
    return found


def turned_on(values: Degrees, angle: Angle) -> Degrees:
    """*values* (T,) of *angle* over time without jumps: a segment that turns past 180° is counted on, to 190° and more.

    The angle of a joint ends at 180° and stays as it is, and so does what is NaN.
    """
    if not isinstance(angle, SegmentAngle):
        return values
    there, out = ~np.isnan(values), values.copy()
    out[there] = np.unwrap(values[there], period=360)
    return out


def velocities(t: NDArray[np.floating], values: Degrees) -> Degrees:
    """Degrees a second (T, ...) of *values* (T, ...) at the times *t* (T,) s, which grow.

    By central differences; NaN beside a value that is NaN. All are NaN where there are fewer than two.
    """
    if len(t) < 2:
        return np.full_like(values, np.nan)
    change: Degrees = np.gradient(values, np.asarray(t, np.float64), axis=0)
    return np.where(np.isnan(values), np.nan, change)


@dataclass(frozen=True, kw_only=True)
class AngleSummary:
    """An angle over a span: degrees, and degrees a second at its fastest. NaN where it was never seen."""

    least: float
    most: float
    mean: float
    fastest: float
    seen: float  # the share of the frames in which it was seen, 0..1

    @property
    def range(self) -> float:
        """Degrees between the least and the most."""
        return self.most - self.least


def summarise(t: NDArray[np.floating], values: Degrees) -> AngleSummary:
    """The least, the most, the mean and the highest speed of an angle with *values* (T,) at *t* (T,) s, which grow."""
    there = values[~np.isnan(values)]
    if not there.size:
        return AngleSummary(least=np.nan, most=np.nan, mean=np.nan, fastest=np.nan, seen=0.0)
    speeds = np.abs(velocities(t, values))
    speeds = speeds[~np.isnan(speeds)]
    return AngleSummary(
        least=float(there.min()),
        most=float(there.max()),
        mean=float(there.mean()),
        fastest=float(speeds.max()) if speeds.size else np.nan,
        seen=there.size / values.size,
    )


def _places(angle: Angle) -> tuple[str, ...]:
    return angle.places if isinstance(angle, JointAngle) else (angle.lower, angle.upper)


@cache
def _joints_at(skeleton: Skeleton, place: str) -> tuple[int, ...]:
    """The joints whose middle is *place*; none where *skeleton* lacks one of them."""
    options = _HEAD if place == "head" else (_MIDDLES.get(place, (place,)),)
    for names in options:
        if all(name in skeleton.keypoints for name in names):
            return tuple(skeleton.keypoints.index(name) for name in names)
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """Where some angles are in their array, and where their places are among the joints and the ``middles`` that follow them.

    ``middles`` are joints, and how many of them must be seen.
    """

    count: int
    middles: tuple[tuple[tuple[int, ...], int], ...]
    at_joints: NDArray[np.intp]
    ends: NDArray[np.intp]  # (3, J)
    neutral: Degrees
    sign: Degrees
    of_segments: NDArray[np.intp]
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]


@cache
def _plan(skeleton: Skeleton, angles: tuple[Angle, ...]) -> _Plan:
    """Looked up once, since it takes longer than the angles of a person."""
    middles: list[tuple[tuple[int, ...], int]] = []

    def index(place: str) -> int:
        joints = _joints_at(skeleton, place) or (skeleton.index(place),)  # which raises KeyError with the names that there are
        if len(joints) == 1:
            return joints[0]
        middle = joints, 1 if place == "head" else len(joints)
        if middle not in middles:
            middles.append(middle)
        return skeleton.k + middles.index(middle)

    joints = [(i, angle) for i, angle in enumerate(angles) if isinstance(angle, JointAngle)]
    segments = [(i, angle) for i, angle in enumerate(angles) if isinstance(angle, SegmentAngle)]
    return _Plan(
        ends=np.array([[index(place) for place in angle.places] for _, angle in joints], np.intp).reshape(-1, 3).T,
        lower=np.array([index(angle.lower) for _, angle in segments], np.intp),
        upper=np.array([index(angle.upper) for _, angle in segments], np.intp),
        count=len(angles),
        middles=tuple(middles),
        at_joints=np.array([i for i, _ in joints], np.intp),
        neutral=np.array([angle.neutral for _, angle in joints]),
        sign=np.array([1.0 if angle.opening else -1.0 for _, angle in joints]),
        of_segments=np.array([i for i, _ in segments], np.intp),
    )


def _middle(z: NDArray[np.complex128], joints: tuple[int, ...], needed: int) -> NDArray[np.complex128]:
    """The middle (...) of those of *joints* that are seen; NaN where fewer than *needed* are."""
    of_them = z[..., joints]
    there = of_them == of_them  # not NaN
    count = there.sum(axis=-1)
    total: NDArray[np.complex128] = np.where(there, of_them, 0).sum(axis=-1)
    return np.where(count >= needed, total / np.maximum(count, 1), np.nan)


def _between(u: NDArray[np.complex128], v: NDArray[np.complex128]) -> Degrees:
    """The angle 0..180° between *u* and *v*; NaN where either has no length. Exact near 0° and 180°, as the arc cosine is not."""
    turn = v * u.conj()
    angle = np.degrees(np.arctan2(np.abs(turn.imag), turn.real))
    return np.where((np.abs(u) > _SHORTEST) & (np.abs(v) > _SHORTEST), angle, np.nan)


def _to_vertical(up: NDArray[np.complex128]) -> Degrees:
    """The angle of *up* to the vertical of the picture, -180..180°, clockwise; y points down in a picture."""
    return np.where(np.abs(up) > _SHORTEST, np.degrees(np.arctan2(up.real, -up.imag)), np.nan)


def _wrapped(degrees: Degrees) -> Degrees:
    """The same angles in -180..180°."""
    return (degrees + 180.0) % 360.0 - 180.0
