"""People whose part of the picture lies decoded in the memory of a device, where samples are cut, varied and labelled.

For GPUs, which a loading process cannot feed: a slim network takes tens of thousands of crops a second. What is done to a
sample is drawn by the same code as for loading processes (train/data/augment.py), and done here for a whole batch at once.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseapp.core.errors import DataError
from poseapp.core.transform import fit_aspect
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.data.annotations import BOX_PADDING, GONE, Person, read_image
from poseapp.train.data.augment import half_bodies
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.resident_appearance import apply, pixel_grid, upload
from poseapp.train.data.targets import Target
from poseapp.train.recipes import Recipe

log = logging.getLogger(__name__)

LEVELS = 3  # of half the size each, so that a small input is not sampled one pixel in many
AHEAD = 2  # batches that are made before they are needed
DETAIL = 1.5  # stored height of a padded box, in heights of the largest input: what is finer is never seen

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Stored:
    """The part of a picture that one person's crops can see, at LEVELS sizes, (h, w, 3) uint8 BGR.

    Pixel j of the first lies at ``origin`` + ``scale`` · j (x, y) in the picture; ``factors`` says how many of its pixels
    one pixel of each level is wide.
    """

    levels: tuple[ImageArray, ...]
    factors: tuple[int, ...]
    scale: tuple[float, float]
    origin: tuple[float, float]


class Resident:
    """A training set in the memory of *device*: four bytes a stored pixel, ``bytes`` in all.

    ``batches`` gives what a loader would. The set must fit; recipes with part affinity fields, which show everybody in
    a crop, and tar shards come from loading processes only.
    Raises DataError on such a recipe, and when no picture can be read, or GONE in a row cannot.
    """

    def __init__(
        self,
        people: Sequence[Person],
        recipe: Recipe,
        device: torch.device | str,
        on_picture: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        if recipe.fields:
            raise DataError(f"{recipe.name}: its targets show everybody in a crop, which --resident cannot. Leave it out.")
        self.recipe, self.device = recipe, torch.device(device)
        self.boxes = np.stack([p.box for p in people]).astype(np.float64)
        self.joints = np.stack([p.joints for p in people])  # (M, K, 3)
        ones = np.ones(recipe.skeleton.k, np.float32)
        self.trust = np.stack([ones if p.trust is None else p.trust for p in people])  # (M, K)
        self.weight = np.array([p.weight for p in people], np.float32)
        # A recipe may have people several times (sampling_weight); they are stored once.
        _, first, entry = np.unique([id(p) for p in people], return_index=True, return_inverse=True)  # entry (M,): where each is
        needed = self._needed()
        stored = _load([people[i] for i in first], [needed[i] for i in first], recipe, on_picture)
        self.weight[[stored[at] is None for at in entry]] = 0  # a picture that cannot be read
        kept = [s or _Stored((np.zeros((1, 1, 3), np.uint8),) * LEVELS, (1,) * LEVELS, (1, 1), (0, 0)) for s in stored]
        del stored
        hw = np.array([[level.shape[:2] for level in s.levels] for s in kept])
        ends = np.cumsum(hw.prod(axis=2))
        self.hw = hw[entry]  # (M, LEVELS, 2)
        self.begin = (ends - hw.prod(axis=2).ravel()).reshape(hw.shape[:2])[entry]  # (M, LEVELS), in pixels
        self.factors = np.array([s.factors for s in kept])[entry]
        self.scale, self.origin = np.array([s.scale for s in kept])[entry], np.array([s.origin for s in kept])[entry]
        flat = torch.zeros((int(ends[-1]), 4), dtype=torch.uint8)  # a fourth, empty byte: a pixel is read in one go
        at = 0
        for s in kept:
            for level in s.levels:
                pixels = level.reshape(-1, 3)
                flat[at : at + len(pixels), :3] = torch.from_numpy(np.ascontiguousarray(pixels))
                at += len(pixels)
        self.pixels = flat.view(torch.int32).view(-1).to(self.device)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def bytes(self) -> int:
        """What the pictures take on the device."""
        return 4 * self.pixels.numel()

    def batches(self, order: Iterable[list[tuple[int, int]]], target: Target, first_step: int, rank: int = 0) -> Iterator[Batch]:
        """A batch for each list of (epoch, person) in *order*, which begins at *first_step*.

        Its random numbers depend on seed, step and rank alone, so a resumed run goes on with the same.
        """
        with ThreadPoolExecutor(1) as ahead:  # the next batch is begun while the network learns from this one
            waiting: deque[Future[Batch]] = deque()
            for number, keys in enumerate(order):
                step, part = divmod(number, self.recipe.accumulate)
                random = np.random.default_rng((self.recipe.seed, first_step + step, part, rank))
                waiting.append(ahead.submit(self.batch, np.array([i for _, i in keys]), target, random))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def batch(self, people: NDArray[np.integer], target: Target, random: np.random.Generator) -> Batch:
        """Crops (N, H, W, 3) uint8 BGR, targets (N, C, h, w) and weights (N, C), on the device, of *people* (N,)."""
        n, input_hw, augment = len(people), target.input_hw, self.recipe.augment
        joints, trust = self.joints[people], self.trust[people]
        boxes = fit_aspect(self.boxes[people], input_hw, BOX_PADDING)
        affines, flips = augment.geometries(boxes, joints, self.recipe.skeleton, input_hw, random)
        appearance = augment.appearances(n, input_hw, random)
        xy = np.einsum("nij,nkj->nki", affines[..., :2], joints[..., :2]) + affines[:, None, :, 2]
        moved = np.concatenate([xy, joints[..., 2:]], axis=2).astype(np.float32)
        flip = self.recipe.skeleton.flip_index
        moved[flips], trust[flips] = moved[flips][:, flip], trust[flips][:, flip]
        for i in np.flatnonzero((appearance.frame != (0, 0, input_hw[1], input_hw[0])).any(axis=1)):
            moved[i, :, :2] = appearance.without_what_is_cut(moved[i, :, :2], int(i))
        crops = apply(appearance, self.crops(people, affines, input_hw))
        maps, weights = encode(target, moved, self.device)
        weights[:, : trust.shape[1]] *= self._put(trust)
        weights *= self._put(self.weight[people])[:, None]
        return crops.round().to(torch.uint8).permute(0, 2, 3, 1), maps, weights

    def crops(self, people: NDArray[np.integer], affines: Floats, input_hw: tuple[int, int]) -> Tensor:
        """(N, 3, H, W) float32 BGR in 0..255, black outside the picture: ``transform.crop`` for *people* (N,) at once.

        *affines* (N, 2, 3) go from px of their pictures to px of the crops. Bilinear, from the level that fits.
        """
        linear = np.linalg.inv(affines[..., :2])  # crop to picture
        shift = -np.einsum("nij,nj->ni", linear, affines[..., 2])
        scale = self.scale[people]
        reduction = np.sqrt(np.abs(np.linalg.det(linear)) / scale.prod(axis=1))
        level = np.clip(np.log2(np.maximum(reduction, 1.0)) + 0.2, 0, LEVELS - 1).astype(int)
        factor = self.factors[people, level][:, None]
        step = scale * factor
        origin = self.origin[people] + scale * (factor - 1) / 2
        to_stored = np.concatenate([linear / step[..., None], ((shift - origin) / step)[..., None]], axis=2)
        m = self._put(to_stored)[:, :, :, None, None]  # (N, 2, 3, 1, 1)
        h, w = (self._put(self.hw[people, level, axis])[:, None, None] for axis in (0, 1))
        begin = upload(self.begin[people, level], self.device)[:, None, None]
        ys, xs = pixel_grid(input_hw, self.device)
        x = m[:, 0, 0] * xs + m[:, 0, 1] * ys + m[:, 0, 2]  # (N, H, W)
        y = m[:, 1, 0] * xs + m[:, 1, 1] * ys + m[:, 1, 2]
        left, top = x.floor(), y.floor()
        out = torch.zeros((*x.shape, 4), device=self.device)
        for dy, weight_y in ((0, 1 - (y - top)), (1, y - top)):
            for dx, weight_x in ((0, 1 - (x - left)), (1, x - left)):
                column, row = left + dx, top + dy
                inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
                column, row = torch.minimum(column.clamp(min=0), w - 1), torch.minimum(row.clamp(min=0), h - 1)
                at = begin + row.long() * w.long() + column.long()
                colours = self.pixels.index_select(0, at.view(-1)).view(torch.uint8).view(out.shape).float()
                out.addcmul_(colours, (weight_x * weight_y * inside)[..., None])
        return out[..., :3].round().permute(0, 3, 1, 2)

    def _needed(self) -> list[NDArray[np.int64]]:
        """For each person the part (4,) of the picture that any crop may show: left, top, right, bottom in px, not clipped."""
        augment = self.recipe.augment
        low, high = np.full((len(self.boxes), 2), np.inf), np.full((len(self.boxes), 2), -np.inf)
        for input_hw in {phase.input_hw for phase in self.recipe.phases}:
            whole = fit_aspect(self.boxes, input_hw, BOX_PADDING)
            for boxes in (whole, *half_bodies(self.joints, self.recipe.skeleton, input_hw)):
                centre = boxes[:, :2] + boxes[:, 2:] / 2
                radius = np.hypot(boxes[:, 2], boxes[:, 3])[:, None] / 2 * max(1.0, augment.scale[1])
                reach = radius + augment.shift * boxes[:, 2:]
                low, high = np.fmin(low, centre - reach), np.fmax(high, centre + reach)
        return list(np.concatenate([np.floor(low) - 2, np.ceil(high) + 3], axis=1).astype(np.int64))

    def _put(self, values: NDArray[np.generic]) -> Tensor:
        return upload(np.asarray(values, np.float32), self.device)


def _load(
    people: Sequence[Person], needed: Sequence[NDArray[np.int64]], recipe: Recipe, on_picture: Callable[[int, int], None]
) -> list[_Stored | None]:
    """What to store of each person; None where the picture cannot be read.

    Raises DataError when no picture can be read, or GONE in a row cannot: a training on black pictures would learn nothing.
    """
    by_picture: dict[Path, list[int]] = defaultdict(list)
    for i, person in enumerate(people):
        by_picture[person.path].append(i)
    finest = DETAIL * max(phase.input_hw[0] for phase in recipe.phases)
    out: list[_Stored | None] = [None] * len(people)

    def read(indices: list[int]) -> DataError | None:
        try:
            image = read_image(people[indices[0]].path)
        except DataError as error:
            return error
        for i in indices:
            height = fit_aspect(people[i].box, recipe.input_hw, BOX_PADDING)[3]
            out[i] = _store(image, needed[i], min(1.0, finest / height))
        return None

    in_a_row = 0
    with ThreadPoolExecutor() as threads:  # cv2 lets go of Python's lock while it decodes
        for done, error in enumerate(threads.map(read, by_picture.values()), 1):
            on_picture(done, len(by_picture))
            in_a_row = in_a_row + 1 if error else 0
            if error and in_a_row == min(GONE, len(by_picture)):
                threads.shutdown(cancel_futures=True)
                raise DataError(f"training: {in_a_row} pictures in a row cannot be read, the last: {error}")
            if error:
                log.warning("%s Until then it is left out.", error)
    return out


def _store(image: ImageArray, needed: NDArray[np.int64], scale: float) -> _Stored | None:
    """The part *needed* of *image*, *scale* times its size (at most 1), and its smaller levels."""
    h, w = image.shape[:2]
    x0, y0 = np.maximum(needed[:2], 0).tolist()
    x1, y1 = np.minimum(needed[2:], (w, h)).tolist()
    if x1 <= x0 or y1 <= y0:
        return None
    part = image[y0:y1, x0:x1]
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    # A copy lets the picture itself go.
    part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False) if scale < 1 else part.copy()
    px = (x1 - x0) / part.shape[1], (y1 - y0) / part.shape[0]
    levels, factors = [part], [1]
    for _ in range(LEVELS - 1):
        last = levels[-1]
        rows, columns = last.shape[0] // 2, last.shape[1] // 2
        if rows and columns:
            even = last[: 2 * rows, : 2 * columns]
            levels.append(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False))
            factors.append(2 * factors[-1])
        else:
            levels.append(last)
            factors.append(factors[-1])
    return _Stored(tuple(levels), tuple(factors), px, (x0 + (px[0] - 1) / 2, y0 + (px[1] - 1) / 2))


def encode(target: Target, joints: FloatArray, device: torch.device) -> tuple[Tensor, Tensor]:
    """``Target.encode`` for joints (N, K, 3) in input px: targets (N, C, h, w) and weights (N, C), on *device*."""
    cells = np.nan_to_num(target.cells(joints[..., :2]), nan=-1e6)
    weights = (joints[..., 2] > 0).astype(np.float32)
    every = weights.all(axis=1).astype(np.float32)
    if target.joint_weights is not None:
        weights = weights * np.asarray(target.joint_weights, np.float32)
    if target.background:
        weights = np.column_stack([weights, every])
    x, y = upload(cells, device).unbind(2)
    ys, xs = pixel_grid(target.heatmap_hw, device)
    width = 2 * target.sigma_px**2
    gy = torch.exp(-(ys[:, 0] - y[..., None]).square() / width)  # (N, K, h)
    gx = torch.exp(-(xs[0] - x[..., None]).square() / width)  # (N, K, w)
    maps = gy[..., None] * gx[:, :, None]
    maps = torch.where(maps < np.exp(-4.5), 0.0, maps)
    if target.background:
        maps = torch.cat([maps, 1 - maps.amax(dim=1, keepdim=True)], dim=1)
    return maps, upload(weights, device)
