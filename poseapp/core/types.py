"""What travels through the pipeline: Frame, Poses and Result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from poseapp.core.framing import WHOLE, Framing
from poseapp.core.skeleton import Skeleton

if TYPE_CHECKING:
    from poseapp.core.smoothing import SmoothRule

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]
PoseMode = Literal["one", "top-down", "bottom-up"]
POSE_MODES: tuple[PoseMode, ...] = get_args(PoseMode)


def _check(name: str, array: NDArray[np.generic], shape: tuple[int | None, ...], dtype: type) -> None:
    """Raise ValueError unless *array* has the dtype and the shape (None = any length)."""
    if array.shape == shape and array.dtype == dtype:  # of the shapes that are known; this runs several times a frame
        return
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != dtype:
        want = "×".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}: expected {want} {np.dtype(dtype)}, got {'×'.join(map(str, array.shape))} {array.dtype}")


@dataclass(frozen=True, eq=False)
class Frame:
    """One captured picture.

    ``image`` (H, W, 3) uint8 BGR, C-contiguous; it is made read-only, so that threads share it without a copy.
    ``index`` counts the frames of a source from 0; a picture that could not be read leaves a gap, and a still that is looked at
    again keeps its index. ``t`` is the capture time
    in seconds on the monotonic clock (for a file that is played as fast as possible: the clock of the file). ``file`` is the
    file of this picture where each picture of the source has one, else "". ``framing`` is how ``image`` was made of the picture
    of the source; all places are those in ``image``.
    """

    image: ImageArray
    index: int
    t: float
    file: str = ""
    _: KW_ONLY
    framing: Framing = WHOLE

    def __post_init__(self) -> None:
        _check("frame", self.image, (None, None, 3), np.uint8)
        if not self.image.flags.c_contiguous or self.image.size == 0:
            raise ValueError("frame: expected a C-contiguous picture with at least one pixel")
        self.image.flags.writeable = False

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def is_still(self) -> bool:
        """Whether it stands alone, as a picture of a folder does: no frame before or after it tells anything about it."""
        return bool(self.file)


@dataclass(frozen=True, kw_only=True, eq=False)
class Poses:
    """The people found in one frame.

    ``xy`` (N, K, 2) float32, frame px, an integer is the centre of a pixel, NaN = joint missing;
    ``score`` (N, K) float32 in 0..1; ``person_score`` (N,) float32; ``ids`` (N,) int64.
    """

    xy: FloatArray
    score: FloatArray
    person_score: FloatArray
    ids: NDArray[np.int64]
    skeleton: Skeleton

    def __post_init__(self) -> None:
        n, k = len(self.xy), self.skeleton.k
        _check("poses.xy", self.xy, (n, k, 2), np.float32)
        _check("poses.score", self.score, (n, k), np.float32)
        _check("poses.person_score", self.person_score, (n,), np.float32)
        _check("poses.ids", self.ids, (n,), np.int64)

    def __len__(self) -> int:
        return len(self.xy)

    def pick(self, which: NDArray[np.bool_]) -> Poses:
        """The people for whom *which* (N,) is true."""
        return Poses(
            xy=self.xy[which],
            score=self.score[which],
            person_score=self.person_score[which],
            ids=self.ids[which],
            skeleton=self.skeleton,
        )

    def plus(self, other: Poses) -> Poses:
        """These people, then the people of *other*, which has the same skeleton."""
        if len(other) == 0:
            return self
        return Poses(
            xy=np.concatenate([self.xy, other.xy]),
            score=np.concatenate([self.score, other.score]),
            person_score=np.concatenate([self.person_score, other.person_score]),
            ids=np.concatenate([self.ids, other.ids]),
            skeleton=self.skeleton,
        )

    @classmethod
    def none(cls, skeleton: Skeleton) -> Poses:
        """Nobody."""
        k = skeleton.k
        return cls(
            xy=np.empty((0, k, 2), np.float32),
            score=np.empty((0, k), np.float32),
            person_score=np.empty(0, np.float32),
            ids=np.empty(0, np.int64),
            skeleton=skeleton,
        )


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """The network's confidence maps of one crop, and where they lie in the frame.

    ``values`` (K, h, w) float32; ``to_frame`` (2, 3) float64 maps heatmap px to frame px; ``fields`` (2 L, h, w) float32
    are the part affinity fields of a network that has them, in the layout of core/paf.py.
    """

    values: FloatArray
    to_frame: NDArray[np.float64]
    fields: FloatArray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A frame, the poses found in that same frame, and how long each stage took.

    ``stage_ms`` has the keys of ``poseapp.live.stats.STAGES`` that have run so far, in ms.
    ``boxes`` (M, 4) float32: the regions given to the network, x, y, width, height in frame px.
    ``smoothed`` are the same people in the same order with steadied joints, by the rule ``smoothing``; None where that is off.
    ``mode`` is how people were found. ``locked`` is the identity that the user holds on to, in sight or not.
    ``predicted`` are the identities that the network did not look at in this frame: their joints are where they are expected.
    ``beside`` is the frame of another recording that is compared with this one.
    """

    frame: Frame
    poses: Poses
    stage_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    boxes: FloatArray | None = None
    heatmaps: tuple[Heatmaps, ...] = ()
    model: str = ""
    smoothed: Poses | None = None
    smoothing: SmoothRule | None = None
    mode: PoseMode = "one"
    locked: int | None = None
    predicted: frozenset[int] = frozenset()
    beside: Result | None = None

    @property
    def shown(self) -> Poses:
        """The poses to draw: the smoothed ones where there are any."""
        return self.poses if self.smoothed is None else self.smoothed
