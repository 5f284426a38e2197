"""What a model is scored on: the people of a labelled set, and the joints that set and model share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from poseapp.core import metrics
from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17, Skeleton, joints_in
from poseapp.core.types import FloatArray
from poseapp.train.data.annotations import Person
from poseapp.train.data.datasets import LabelledSet


@dataclass(frozen=True)
class Scored:
    """What a model is scored on: the joints of a set, and where the model has them.

    ``skeleton`` is the set's, with COCO's sigmas for the joints that COCO has: OKS is over these alone. ``channels`` (K,)
    are the model's joints in its order, None for a joint that the model does not find: that one is not asked for.
    ``model`` names the model's own skeleton.
    """

    skeleton: Skeleton
    channels: tuple[int | None, ...]
    model: str

    @classmethod
    def of(cls, of_set: Skeleton | None, of_model: Skeleton) -> Scored:
        """The joints that a set and a model share, by name; None for a set of no known skeleton, seen as the model's."""
        skeleton = of_set or of_model
        sigmas = [COCO_17.sigmas[at] if at is not None else 0.0 for at in joints_in(skeleton.keypoints, COCO_17.keypoints)]
        scored = replace(skeleton, sigmas=tuple(sigmas))
        return cls(scored, joints_in(skeleton.keypoints, of_model.keypoints), of_model.name)

    @property
    def whole(self) -> bool:
        """Whether the model has every joint of the set."""
        return None not in self.channels

    def predicted(self, joints: FloatArray) -> FloatArray:
        """A model's joints (K_model, 3) in the order of the set, (K, 3): NaN with score 0 where the model has none."""
        out = np.full((len(self.channels), 3), np.nan, np.float32)
        out[:, 2] = 0
        for k, at in enumerate(self.channels):
            if at is not None:
                out[k] = joints[at]
        return out

    def requested(self, person: Person) -> Person:
        """*person* without the labels of joints that the model does not find, and with the size of the head."""
        head_px = person.head_px
        if math.isnan(head_px):
            head_px = float(metrics.head_size(person.joints[None], self.skeleton)[0])
        joints = person.joints.copy()
        joints[[at is None for at in self.channels]] = (np.nan, np.nan, 0)
        return replace(person, joints=joints, head_px=head_px)

    def __str__(self) -> str:
        shared = sum(at is not None for at in self.channels)
        if self.model == self.skeleton.name:
            return f"the {shared} joints of {self.model}"
        return f"the {shared} joints that the model ({self.model}) shares with the set ({self.skeleton.name})"


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationSet:
    """The ``people`` of a labelled set, with the labels that ``scored`` asks for.

    ``limited``: they are only the first people of the set. ``head_boxes``: the set says how large heads are.
    """

    labelled: LabelledSet
    scored: Scored
    people: Sequence[Person]
    limited: bool
    head_boxes: bool

    @classmethod
    def read(cls, annotations: Path, images: Path, of_model: Skeleton, limit: int = 0) -> EvaluationSet:
        """The people of a COCO-format file, or of MPII's or LSP's own, at most *limit* (0: all).

        Raises DataError on wrong annotations or pictures, and when nobody has a label that can be scored.
        """
        labelled = LabelledSet(annotations, images, "val")
        scored = Scored.of(labelled.skeleton, of_model)
        read = labelled.read(scored.skeleton, 1)
        people = [p for p in map(scored.requested, read) if metrics.labelled(p.joints).any()][: limit or None]
        if not people:
            raise DataError(f"{annotations}: nobody has a label that can be scored on {scored}. Take another set or model.")
        head_boxes = any(math.isfinite(p.head_px) for p in read)
        return cls(labelled=labelled, scored=scored, people=people, limited=limit > 0, head_boxes=head_boxes)

    @property
    def by_coco(self) -> bool:
        """Whether AP is that of COCO's own tools, which take all 17 joints or none."""
        return self.scored.whole and self.scored.skeleton.name == COCO_17.name

    @property
    def image_ids(self) -> set[int]:
        """The pictures of the people."""
        return {p.image_id for p in self.people}

    def pictures(self) -> dict[int, Path]:
        """Pictures by id in which people are to be found: all of the set, where its file lists them and there is no limit.

        Who is found where nobody is counts against a detector.
        """
        pictures = {p.image_id: p.path for p in self.people}
        if self.labelled.format == "coco" and not self.limited:
            pictures |= {picture.id: picture.path for picture in self.labelled.content.pictures if picture.there}
        return pictures
