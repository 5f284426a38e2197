"""Joints to training targets: confidence maps, the background map and part affinity fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core import heatmap, paf
from poseapp.core.heatmap import Mapping, input_px_at_origin, input_px_per_cell
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray
from poseapp.train.recipes import Recipe

# The joints that are hardest to find count more (Sun et al. 2019, released training code).
_FAR_JOINTS = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}


def joint_weights(skeleton: Skeleton) -> FloatArray:
    """Loss weights (K,): 1.5 for wrists and ankles, 1.2 for elbows and knees, 1 for the rest."""
    return np.array([_FAR_JOINTS.get(name.split("_")[-1], 1.0) for name in skeleton.keypoints], np.float32)


@dataclass(frozen=True)
class Target:
    """How joints become training targets: input size, heatmap size and spread, coordinate mapping.

    *background* adds a map of "no joint here" behind the joints (Wei et al. 2016, Sec. 3.2.1). *joint_weights* (K,)
    say how much each joint counts. With *limbs*, two maps for each follow: its part affinity field, *limb_width_px* wide
    in heatmap px (Cao et al. 2017, Sec. 2.3), and the maps show everybody in the crop.
    """

    input_hw: tuple[int, int]
    heatmap_hw: tuple[int, int]
    sigma_px: float
    mapping: Mapping
    background: bool = False
    joint_weights: tuple[float, ...] | None = None
    limbs: tuple[tuple[int, int], ...] = ()
    limb_width_px: float = 1.0

    def encode(self, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Targets (C, h, w) and weights (C,) for one person's joints (K, 3) in input px.

        A joint that is not labelled has weight 0: nobody said that it is absent. A labelled joint
        that lies outside the input is taught as an empty map, so that the score says so. The background
        counts only when every joint is labelled: an unlabelled one may be anywhere in it.
        """
        weight = (joints[:, 2] > 0).astype(np.float32)
        maps = heatmap.encode(self.cells(joints[:, :2]), self.heatmap_hw, self.sigma_px)
        every = float(weight.all())
        if self.joint_weights is not None:
            weight *= np.asarray(self.joint_weights, np.float32)
        if self.background:
            maps = np.concatenate([maps, 1 - maps.max(axis=0, keepdims=True)])
            weight = np.append(weight, np.float32(every))
        return maps, weight

    def cells(self, xy: NDArray[np.floating]) -> FloatArray:
        """Input px (..., 2) in heatmap px."""
        sizes = (self.input_hw, self.heatmap_hw, self.mapping)
        return ((xy - input_px_at_origin(*sizes)) / input_px_per_cell(*sizes)).astype(np.float32)

    def encode_all(self, people: Sequence[FloatArray], boxes: Sequence[NDArray[np.floating]]) -> tuple[FloatArray, FloatArray]:
        """Targets (C, h, w) and weights (C, h, w) for all *people*, each (K, 3), of a crop.

        Where two people meet, the higher confidence counts, and fields are averaged (Sec. 2.2 and 2.3). A map is masked
        within the box of anybody who lacks a label for it: *boxes* holds the corners (4, 2) of each in input px.
        """
        h, w = self.heatmap_hw
        labelled = np.stack([joints[:, 2] > 0 for joints in people])  # (M, K)
        xy = np.stack([self.cells(joints[:, :2]) for joints in people])  # (M, K, 2)
        xy[~labelled] = np.nan
        confidence = np.stack([heatmap.encode(p, self.heatmap_hw, self.sigma_px) for p in xy]).max(axis=0)
        weight = np.ones((len(confidence), h, w), np.float32)
        field_weight = np.ones((2 * len(self.limbs), h, w), np.float32)
        for known, corners in zip(labelled, boxes, strict=True):
            low = np.floor(self.cells(corners).min(axis=0)).astype(int).clip(0)
            high = np.ceil(self.cells(corners).max(axis=0)).astype(int).clip(0) + 1
            inside = (slice(low[1], high[1]), slice(low[0], high[0]))
            weight[(~known, *inside)] = 0
            for i, (a, b) in enumerate(self.limbs):
                if not (known[a] and known[b]):
                    field_weight[(slice(2 * i, 2 * i + 2), *inside)] = 0
        if self.joint_weights is not None:
            weight *= np.asarray(self.joint_weights, np.float32)[:, None, None]
        background = 1 - confidence.max(axis=0, keepdims=True)
        background_weight = (weight > 0).all(axis=0, keepdims=True).astype(np.float32)
        fields = paf.encode(xy, self.limbs, self.heatmap_hw, self.limb_width_px)  # (2 · limbs, h, w)
        return np.concatenate([confidence, background, fields]), np.concatenate([weight, background_weight, field_weight])


def target_of(recipe: Recipe, input_hw: tuple[int, int]) -> Target:
    """The targets of *recipe* at one input size."""
    heatmap_hw = (input_hw[0] // recipe.stride, input_hw[1] // recipe.stride)
    return Target(
        input_hw,
        heatmap_hw,
        recipe.sigma_px * input_hw[0] / recipe.input_hw[0],
        recipe.mapping,
        recipe.background,
        tuple(joint_weights(recipe.skeleton).tolist()) if recipe.far_joint_weights else None,
        recipe.skeleton.limbs if recipe.fields else (),
        recipe.limb_width_px,
    )
