"""Skeletons: the names, limbs, mirror pairs and OKS sigmas of each joint convention."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """One joint convention. Channel k of a heatmap is ``keypoints[k]``.

    ``limbs`` are pairs of joint indices to draw; ``flip[k]`` is the joint that k becomes in a
    mirrored picture; ``sigmas`` are the per-joint standard deviations of COCO's object keypoint
    similarity (0 where none is published: such a joint takes no part in OKS).
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip: tuple[int, ...]
    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        k = len(self.keypoints)
        if len(set(self.keypoints)) != k:
            raise ValueError(f"skeleton {self.name}: joint names repeat")
        if len(self.flip) != k or any(self.flip[self.flip[i]] != i for i in range(k)):
            raise ValueError(f"skeleton {self.name}: flip must pair each joint with its mirror joint")
        if len(self.sigmas) != k:
            raise ValueError(f"skeleton {self.name}: expected {k} sigmas, got {len(self.sigmas)}")
        if any(not 0 <= i < k for limb in self.limbs for i in limb):
            raise ValueError(f"skeleton {self.name}: a limb names a joint that does not exist")

    def __hash__(self) -> int:
        return hash(self.name)  # caches by skeleton are asked several times a frame: hashing all joints takes too long

    @property
    def k(self) -> int:
        """Number of joints."""
        return len(self.keypoints)

    @property
    def flip_index(self) -> NDArray[np.intp]:
        """``flip`` as an index array: ``heatmaps[:, flip_index]`` swaps left and right."""
        return np.asarray(self.flip, dtype=np.intp)

    def index(self, name: str) -> int:
        """The channel of the joint called *name*; KeyError with the known names otherwise."""
        try:
            return self.keypoints.index(name)
        except ValueError:
            raise KeyError(f"skeleton {self.name} has no joint {name!r}; it has {', '.join(self.keypoints)}") from None

    def side(self, k: int) -> str:
        """``"left"``, ``"right"`` or ``"middle"``: which half of the body joint k belongs to."""
        prefix = self.keypoints[k].partition("_")[0]
        return prefix if prefix in ("left", "right") else "middle"


def _skeleton(name: str, keypoints: str, limbs: str, sigmas: tuple[float, ...] | None = None) -> Skeleton:
    """A Skeleton from space-separated names and ``a-b`` limbs; mirror pairs follow from the names."""
    names = tuple(keypoints.split())
    index = {joint: i for i, joint in enumerate(names)}

    def mirrored(joint: str) -> str:
        side, _, rest = joint.partition("_")
        return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, joint)

    pairs = tuple((index[a], index[b]) for a, b in (limb.split("-") for limb in limbs.split()))
    return Skeleton(
        name=name,
        keypoints=names,
        limbs=pairs,
        flip=tuple(index[mirrored(j)] for j in names),
        sigmas=sigmas or (0.0,) * len(names),
    )


# Sigmas: COCO keypoint evaluation, https://cocodataset.org/#keypoints-eval (2 sigma = the constant k_i there).
COCO_17 = _skeleton(
    "coco-17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    "left_ankle-left_knee left_knee-left_hip right_ankle-right_knee right_knee-right_hip left_hip-right_hip "
    "left_shoulder-left_hip right_shoulder-right_hip left_shoulder-right_shoulder left_shoulder-left_elbow "
    "right_shoulder-right_elbow left_elbow-left_wrist right_elbow-right_wrist left_eye-right_eye nose-left_eye "
    "nose-right_eye left_eye-left_ear right_eye-right_ear",
    (0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)

# Joint order of the MPII Human Pose annotations (Andriluka et al., CVPR 2014).
MPII_16 = _skeleton(
    "mpii-16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    "right_ankle-right_knee right_knee-right_hip right_hip-pelvis left_hip-pelvis left_knee-left_hip left_ankle-left_knee "
    "pelvis-thorax thorax-neck neck-head_top right_wrist-right_elbow right_elbow-right_shoulder right_shoulder-thorax "
    "left_shoulder-thorax left_elbow-left_shoulder left_wrist-left_elbow",
)

# Joint order of the Leeds Sports Pose annotations (Johnson & Everingham, BMVC 2010).
LSP_14 = _skeleton(
    "lsp-14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
    "left_shoulder left_elbow left_wrist neck head_top",
    "right_ankle-right_knee right_knee-right_hip right_hip-left_hip left_hip-left_knee left_knee-left_ankle "
    "right_wrist-right_elbow right_elbow-right_shoulder right_shoulder-neck neck-left_shoulder left_shoulder-left_elbow "
    "left_elbow-left_wrist neck-head_top right_shoulder-right_hip left_shoulder-left_hip",
)

# The body model of OpenPose trained on COCO (Cao et al., CVPR 2017): COCO's joints and a neck between the shoulders.
OPENPOSE_18 = _skeleton(
    "openpose-18",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee right_ankle "
    "left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
    "neck-right_hip right_hip-right_knee right_knee-right_ankle neck-left_hip left_hip-left_knee left_knee-left_ankle "
    "neck-right_shoulder right_shoulder-right_elbow right_elbow-right_wrist right_shoulder-right_ear neck-left_shoulder "
    "left_shoulder-left_elbow left_elbow-left_wrist left_shoulder-left_ear neck-nose nose-right_eye nose-left_eye "
    "right_eye-right_ear left_eye-left_ear",
    (0.026, 0.0, 0.079, 0.072, 0.062, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089, 0.107, 0.087, 0.089, 0.025, 0.025, 0.035, 0.035),
)

# COCO's joints, and six of the feet: the first 23 joints of COCO-WholeBody (Jin et al., ECCV 2020), with the sigmas of its
# evaluation.
COCO_23 = _skeleton(
    "coco-23",
    f"{' '.join(COCO_17.keypoints)} left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel",
    f"{' '.join('-'.join(COCO_17.keypoints[k] for k in limb) for limb in COCO_17.limbs)} "
    "left_ankle-left_big_toe left_ankle-left_small_toe left_ankle-left_heel "
    "right_ankle-right_big_toe right_ankle-right_small_toe right_ankle-right_heel",
    (*COCO_17.sigmas, 0.068, 0.066, 0.066, 0.092, 0.094, 0.094),
)

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (COCO_17, COCO_23, MPII_16, LSP_14, OPENPOSE_18)}


@cache
def joints_in(wanted: tuple[str, ...], given: tuple[str, ...]) -> tuple[int | None, ...]:
    """For each joint name of *wanted* its place in *given*, None where *given* has no such joint.

    Joints match by name, so MPII's ankles to shoulders become COCO's, and COCO's face has no counterpart. The neck is two
    joints of one name: under the head where there is a head top, between the shoulders in OpenPose.
    """
    same_neck = ("head_top" in wanted) == ("head_top" in given)
    return tuple(given.index(name) if name in given and (same_neck or name != "neck") else None for name in wanted)
