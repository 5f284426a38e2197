"""A moving figure whose joints are known."""

from __future__ import annotations

import cv2
import numpy as np

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, ImageArray
from poseapp.live.sources.base import Mode


class SyntheticSource:
    """A moving figure whose joints are known: for trying the app without a camera, for tests and benchmarks.

    ``truth(t)`` gives its joints (17, 2) in frame px at time t. *seconds* None runs for ever.
    """

    live = False
    name = "Synthetic figure"

    def __init__(self, hw: tuple[int, int] = (720, 1280), fps: float = 30.0, seconds: float | None = None) -> None:
        self.hw, self.fps, self.seconds = hw, fps, seconds
        self.requested: Mode | None = None
        self._count = 0
        rows = np.linspace(70, 120, hw[0], dtype=np.float32)[:, None, None]
        self._background = np.broadcast_to(rows * np.array([1.0, 0.95, 0.9], np.float32), (*hw, 3)).astype(np.uint8)

    def open(self) -> Mode:
        """Start at time 0."""
        self._count = 0
        return Mode(self.hw[1], self.hw[0], self.fps)

    @property
    def frames(self) -> int:
        """How many frames there will be; 0 = no end."""
        return 0 if self.seconds is None else round(self.seconds * self.fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture."""
        if self.seconds is not None and self._count >= self.frames:
            return None
        t = self._count / self.fps
        self._count += 1
        return self._draw(self.truth(t)), t

    def close(self) -> None:
        """Nothing to give back."""

    def truth(self, t: float) -> FloatArray:
        """The joints (17, 2) at time *t*: the figure sways, waves and bends its knees."""
        h, w = self.hw
        unit = h * 0.8 / 8  # a figure of eight heads fills 80 % of the height
        sway, dip = np.sin(0.7 * t), 0.5 * (1 - np.cos(1.3 * t))
        x0, top = w / 2 + 0.15 * w * sway, h * 0.1 + 0.5 * unit * dip
        wave = np.sin(3.1 * t)

        def side(sign: float) -> dict[str, tuple[float, float]]:
            name = "left" if sign > 0 else "right"
            shoulder = (x0 + sign * 1.0 * unit, top + 1.6 * unit)
            elbow = (shoulder[0] + sign * 0.9 * unit, shoulder[1] + (0.9 + 0.3 * wave * sign) * unit)
            wrist = (elbow[0] + sign * (0.3 + 0.2 * wave) * unit, elbow[1] - (0.9 * wave * sign) * unit)
            hip = (x0 + sign * 0.55 * unit, top + 4.1 * unit)
            ankle = (x0 + sign * 0.8 * unit, h * 0.1 + 7.7 * unit)
            knee = ((hip[0] + ankle[0]) / 2 + sign * 0.4 * dip * unit, (hip[1] + ankle[1]) / 2)
            eye, ear = (x0 + sign * 0.18 * unit, top + 0.45 * unit), (x0 + sign * 0.38 * unit, top + 0.55 * unit)
            joints = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": hip, "knee": knee, "ankle": ankle}
            return {f"{name}_{joint}": at for joint, at in {**joints, "eye": eye, "ear": ear}.items()}

        places = {"nose": (x0, top + 0.62 * unit), **side(1.0), **side(-1.0)}
        return np.array([places[name] for name in COCO_17.keypoints], np.float32)

    def _draw(self, joints: FloatArray) -> ImageArray:
        image = self._background.copy()
        unit = self.hw[0] * 0.1
        at = {name: tuple(int(v) for v in np.rint(xy)) for name, xy in zip(COCO_17.keypoints, joints, strict=True)}
        skin, shirt, trousers, hair = (135, 165, 215), (120, 70, 50), (70, 60, 55), (35, 45, 60)

        def limb(a: str, b: str, colour: tuple[int, int, int], width: float) -> None:
            cv2.line(image, at[a], at[b], colour, max(1, int(width * unit)), cv2.LINE_AA)

        for side in ("left", "right"):
            limb(f"{side}_hip", f"{side}_knee", trousers, 0.62)
            limb(f"{side}_knee", f"{side}_ankle", trousers, 0.46)
        torso = np.array([at[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")])
        cv2.fillConvexPoly(image, torso, shirt, cv2.LINE_AA)
        limb("left_shoulder", "right_shoulder", shirt, 0.5)
        limb("left_hip", "right_hip", trousers, 0.6)
        for side in ("left", "right"):
            limb(f"{side}_shoulder", f"{side}_elbow", shirt, 0.42)
            limb(f"{side}_elbow", f"{side}_wrist", skin, 0.3)
            cv2.circle(image, at[f"{side}_wrist"], int(0.24 * unit), skin, -1, cv2.LINE_AA)
        nose = at["nose"]
        cv2.line(image, nose, (nose[0], nose[1] + int(0.8 * unit)), skin, int(0.4 * unit), cv2.LINE_AA)
        cv2.ellipse(
            image, (nose[0], nose[1] - int(0.12 * unit)), (int(0.42 * unit), int(0.55 * unit)), 0, 0, 360, skin, -1, cv2.LINE_AA
        )
        cv2.ellipse(
            image, (nose[0], nose[1] - int(0.3 * unit)), (int(0.43 * unit), int(0.42 * unit)), 0, 180, 360, hair, -1, cv2.LINE_AA
        )
        for eye in ("left_eye", "right_eye"):
            cv2.circle(image, at[eye], max(1, int(0.06 * unit)), (30, 30, 30), -1, cv2.LINE_AA)
        return image
