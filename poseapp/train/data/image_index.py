"""Whole pictures with everybody who is labelled in them, and how scenes are made of them. Needs no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine
from poseapp.core.types import FloatArray
from poseapp.train.data.annotations import Person, check_pictures, person_of
from poseapp.train.data.datasets import LabelledSet


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture: its ``people``, labelled joints or not, and ``crowds`` (M, 4), boxes of people nobody counted."""

    path: Path
    people: Sequence[Person]
    crowds: FloatArray


@dataclass(frozen=True)
class Scenes:
    """How scenes are made.

    ``grids`` are rows and columns of tiles, and how often each is taken. The share ``group_p`` of the tiles shows a picture of
    several people, the more of them the more often. In a tile somebody is chosen, and scaled to a height
    between the two ``heights``, shares of the deployed input's height, equally often in every octave. A picture is never
    shrunk so far that it leaves much of its tile black, which happens with the share ``fitted_p`` only: it is then shown
    whole, as a frame is shown to the deployed network.
    """

    grids: tuple[tuple[int, int, float], ...] = ((1, 1, 0.5), (1, 2, 0.2), (2, 1, 0.05), (2, 2, 0.2), (3, 3, 0.05))
    group_p: float = 0.3
    heights: tuple[float, float] = (0.1, 1.0)
    fitted_p: float = 0.2
    rotation_deg: float = 0.0
    rotation_p: float = 0.4
    flip_p: float = 0.5
    enlarge: float = 3.0  # at most: small people in photographs are soft

    def grid(self, random: np.random.Generator) -> tuple[int, int]:
        """Rows and columns of a scene."""
        shares = np.array([share for _, _, share in self.grids])
        rows, columns, _ = self.grids[int(random.choice(len(shares), p=shares / shares.sum()))]
        return rows, columns

    def placed(
        self, picture: Picture, hw: tuple[int, int], tile_hw: tuple[int, int], deployed_h: int, random: np.random.Generator
    ) -> tuple[Affine, bool]:
        """A random affine from px of *picture*, whose size is *hw*, to px of a tile, and whether it mirrors."""
        size, tile = np.array(hw[::-1], np.float64), np.array(tile_hw[::-1], np.float64)
        fit, cover = (tile / size).min(), (tile / size).max()
        centre, scale = (size - 1) / 2, fit
        if picture.people and random.random() >= self.fitted_p:
            box = picture.people[int(random.integers(len(picture.people)))].box.astype(np.float64)
            low, high = np.log(self.heights)
            # Somebody who lies is as wide as others are high. Beyond the tile, little of a person would be left in it.
            wanted = min(np.exp(random.uniform(low, high)) * deployed_h, 1.3 * tile_hw[0]) / box[2:].max()
            scale = min(max(wanted, random.uniform(0.85, 1.0) * cover), max(self.enlarge, fit))
            centre = np.clip(box[:2] + box[2:] / 2, 0, size - 1)
        flip = bool(random.random() < self.flip_p)
        linear = np.diag([-scale if flip else scale, scale])
        angle = self.rotation_deg * np.clip(random.standard_normal() / 2, -1, 1) if random.random() < self.rotation_p else 0.0
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        linear = np.array([[cos, -sin], [sin, cos]]) @ linear
        place = random.uniform(0.05, 0.95, 2) * tile
        # Moved back until the picture covers the tile as well as it can.
        corners = (np.array([[0.0, 0.0], [size[0], 0], [0, size[1]], size]) - 0.5 - centre) @ linear.T
        low_at, high_at = -0.5 - corners.min(axis=0), tile - 0.5 - corners.max(axis=0)
        spare = random.uniform(size=2)
        inside = np.clip(place, np.minimum(low_at, high_at), np.maximum(low_at, high_at))
        at = np.where(low_at >= high_at, inside, low_at + spare * (high_at - low_at))
        return np.column_stack([linear, at - linear @ centre]), flip


def read_pictures(part: LabelledSet, skeleton: Skeleton) -> list[Picture]:
    """The pictures of *part* with at least one person or crowd, in the order of the file.

    People without a single labelled joint are kept: they have a box. Raises DataError as ``LabelledSet.read`` does.
    """
    if part.format != "coco":
        people: list[Person] = part.read(skeleton, 1)
        crowds: list[tuple[Path, FloatArray]] = []
    else:
        people, crowds = _read_coco(part, skeleton)
    together: dict[Path, list[Person]] = defaultdict(list)
    for person in people:
        together[person.path].append(person)
    unlabelled: dict[Path, list[FloatArray]] = defaultdict(list)
    for path, box in crowds:
        unlabelled[path].append(box)
    paths = dict.fromkeys([*together, *unlabelled])
    return [Picture(p, together.get(p, ()), np.array(unlabelled.get(p, ()), np.float32).reshape(-1, 4)) for p in paths]


def _read_coco(part: LabelledSet, skeleton: Skeleton) -> tuple[list[Person], list[tuple[Path, FloatArray]]]:
    read = [(person_of(entry, skeleton), entry.crowd) for entry in part.content.require().people]
    large = [(person, crowd) for person, crowd in read if person.box[2] > 1 and person.box[3] > 1]
    people = [person for person, crowd in large if not crowd]
    check_pictures(people, str(part.annotations), 0)
    return people, [(person.path, person.box) for person, crowd in large if crowd]
