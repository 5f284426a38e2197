"""How steady and how well told apart: jitter, lag and identity switches on made-up motion with known truth."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.bench.motion import Disturbance, Walker, crossing, observe, standing, walking, waving
from poseapp.core import heatmap, paf
from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.core.smoothing import SMOOTH, Smoother, SmoothRule
from poseapp.core.track import TRACK, TrackRule
from poseapp.core.tracking import Tracker
from poseapp.core.types import Poses

Array = NDArray[np.float64]

FPS = 30.0
NOISES = (0.0025, 0.005, 0.01)  # of the height: a person 300 px high has joints off by 0.75, 1.5 and 3 px
SEEDS = 3
DISTURBANCES = {
    "clean": Disturbance(),
    "hidden when behind somebody": Disturbance(hidden=True),
    "noise 1 %": Disturbance(noise=0.01, hidden=True),
    "noise 1 %, 5 % missed": Disturbance(noise=0.01, misses=0.05, hidden=True),
    "noise 2 %, 10 % missed": Disturbance(noise=0.02, misses=0.1, hidden=True),
    "noise 2 %, 20 % missed, 0.2 false people a frame": Disturbance(noise=0.02, misses=0.2, hidden=True, false=0.2),
    "noise 4 %, 30 % missed, 0.5 false people a frame": Disturbance(noise=0.04, misses=0.3, hidden=True, false=0.5),
}


@dataclass(frozen=True)
class Steadiness:
    """What smoothing does at one level of *noise* (a part of the height), at 30 frames a second.

    ``still_px`` is the distance of a still figure's joints from their mean, ``steps_px`` from where they were a frame
    before, both as root mean square, raw and smoothed. The lags are in frames; raw joints have none.
    """

    noise: float
    still_px: tuple[float, float]
    steps_px: tuple[float, float]
    walking_lag: float
    waving_lag: float

    @property
    def jitter_fall(self) -> float:
        """The share of a still figure's jitter that is gone, 0..1: by whichever measure says less."""
        return 1.0 - max(after / before for before, after in (self.still_px, self.steps_px))

    @property
    def lag(self) -> float:
        """The longer of the lags, in frames."""
        return max(self.walking_lag, self.waving_lag)


@dataclass(frozen=True)
class Switches:
    """Changes of identity over *seconds* of *people* crossing, and how often people were seen."""

    name: str
    people: int
    seconds: float
    switches: int
    seen: int


def steadiness(noise: float, rule: SmoothRule = SMOOTH, seed: int = 0) -> Steadiness:
    """Smooth a still, a walking and a waving figure."""
    raw, smoothed, _ = _smoothed(standing(), noise, 20.0, rule, seed)
    still = tuple(_rms(xy - xy.mean(axis=0)) for xy in (raw, smoothed))
    steps = tuple(_rms(np.diff(xy, axis=0)) for xy in (raw, smoothed))
    arms = [COCO_17.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("elbow", "wrist")]
    return Steadiness(
        noise,
        (still[0], still[1]),
        (steps[0], steps[1]),
        _added_lag(walking(), noise, 5.0, rule, seed, list(range(COCO_17.k))),
        _added_lag(waving(), noise, 10.0, rule, seed, arms),
    )


def _smoothed(figure: Walker, noise: float, seconds: float, rule: SmoothRule, seed: int) -> tuple[Array, Array, Array]:
    """Raw and smoothed joints (T, 17, 2) of *figure* after a second to settle, and their times (T,)."""
    random, smoother = np.random.default_rng(seed), Smoother(COCO_17, rule)
    times = np.arange(round((seconds + 1.0) * FPS)) / FPS
    raw, smoothed = [], []
    for t in times.tolist():
        poses, _ = observe([figure], t, Disturbance(noise), random)
        raw.append(poses.xy[0].astype(np.float64))
        smoothed.append(smoother.update(poses, t).xy[0].astype(np.float64))
    settled = times >= 1.0
    return np.stack(raw)[settled], np.stack(smoothed)[settled], times[settled]


def _rms(xy: Array) -> float:
    return float(np.sqrt(np.square(xy).sum(axis=-1).mean()))


def _added_lag(figure: Walker, noise: float, seconds: float, rule: SmoothRule, seed: int, joints: list[int]) -> float:
    """By how many frames the smoothed *joints* are behind: the shift of the truth that fits them best."""
    _, smoothed, times = _smoothed(figure, noise, seconds, rule, seed)
    lags = np.arange(-1.0, 6.0, 0.05)
    truth = figure.joints(times - lags[:, None] / FPS)  # (lags, T, 17, 2)
    misfit = [_rms(smoothed[:, joints] - at[:, joints]) for at in truth]
    return float(lags[np.argmin(misfit)])


def count_switches(
    name: str, how: Disturbance, people: int = 5, seconds: float = 60.0, rule: TrackRule = TRACK, seed: int = 0
) -> Switches:
    """Track *people* who cross for *seconds*; a switch is a person with another identity than when seen last."""
    walkers, tracker, random = crossing(people), Tracker(COCO_17, rule), np.random.default_rng(seed)
    last: dict[int, int] = {}
    switches = seen = 0
    for frame in range(round(seconds * FPS)):
        poses, who = observe(walkers, frame / FPS, how, random)
        ids = tracker.update(poses, frame / FPS).ids.tolist()
        for person, identity in zip(who.tolist(), ids, strict=True):
            if person >= 0:
                switches += last.get(person, identity) != identity
                last[person] = identity
                seen += 1
    return Switches(name, people, seconds, switches, seen)


def cost_ms(people: int, frames: int = 300) -> tuple[float, float]:
    """Median time a frame of the tracker and of the smoother, in ms, with so many people."""
    walkers, random = crossing(people), np.random.default_rng(0)
    tracker, smoother = Tracker(COCO_17), Smoother(COCO_17)
    observed: list[Poses] = [observe(walkers, i / FPS, Disturbance(0.005), random)[0] for i in range(frames)]
    took = np.empty((frames, 2))
    for i, poses in enumerate(observed):
        start = time.perf_counter()
        tracked = tracker.update(poses, i / FPS)
        between = time.perf_counter()
        smoother.update(tracked, i / FPS)
        took[i] = between - start, time.perf_counter() - between
    track, smooth = np.median(took, axis=0) * 1e3
    return float(track), float(smooth)


def decode_ms(people: int, frames: int = 50) -> float:
    """Median time of the bottom-up decoding of so many people in maps of 46×46, in ms."""
    names = [name for name in OPENPOSE_18.keypoints if name != "neck"]
    figure = standing().joints(0.0)
    joints = np.zeros((OPENPOSE_18.k, 2))
    joints[[OPENPOSE_18.index(name) for name in names]] = figure[[COCO_17.index(name) for name in names]]
    shoulders = [COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]
    joints[OPENPOSE_18.index("neck")] = figure[shoulders].mean(axis=0)
    body = (joints - joints.mean(axis=0)) / np.ptp(joints[:, 1])
    columns = 5
    middles = np.array([(4.6 + 9.2 * (i % columns), 5.7 + 11.4 * (i // columns)) for i in range(people)])
    crowd = (middles[:, None] + 10.0 * body).astype(np.float32)
    confidence = np.max([heatmap.encode(person, (46, 46), 0.5) for person in crowd], axis=0)
    fields = paf.encode(crowd, OPENPOSE_18.limbs, (46, 46), 0.6)
    took = []
    for _ in range(frames):
        start = time.perf_counter()
        paf.decode(confidence, fields, OPENPOSE_18)
        took.append((time.perf_counter() - start) * 1e3)
    return float(np.median(took))


def report() -> str:
    """All figures as Markdown tables."""
    lines = [
        f"One-Euro filter: {SMOOTH.min_cutoff_hz:g} Hz at rest, beta {SMOOTH.beta:g}; a person 300 px high at 30 fps.",
        "",
        "| noise px | still: raw → smoothed px | frame to frame px | jitter falls by | lag walking | waving, frames |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for noise in NOISES:
        s = steadiness(noise)
        still, steps = (f"{before:.2f} → {after:.2f}" for before, after in (s.still_px, s.steps_px))
        lines.append(
            f"| {noise * 300:.2f} | {still} | {steps} | {s.jitter_fall * 100:.0f} % | {s.walking_lag:.2f} | {s.waving_lag:.2f} |"
        )
    lines += [
        "",
        f"Five people crossing, {SEEDS} runs of 60 s.",
        "",
        "| | identity switches | people seen |",
        "| --- | ---: | ---: |",
    ]
    for name, how in DISTURBANCES.items():
        runs = [count_switches(name, how, seed=seed) for seed in range(SEEDS if how.noise else 1)]
        share = f"{sum(r.switches for r in runs)}" + (f" in {len(runs)} runs" if len(runs) > 1 else "")
        lines.append(f"| {name} | {share} | {sum(r.seen for r in runs)} |")
    lines += ["", "| people | tracker ms | smoother ms a frame |", "| ---: | ---: | ---: |"]
    for people in (1, 5, 10, 30):
        track, smooth = cost_ms(people)
        lines.append(f"| {people} | {track:.3f} | {smooth:.3f} |")
    lines += ["", "| people | part affinity fields of 46×46, decoding ms |", "| ---: | ---: |"]
    lines += [f"| {people} | {decode_ms(people):.2f} |" for people in (1, 5, 20)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
