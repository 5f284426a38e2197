"""What an evaluation says of a model: figures over all people, and by joint."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.core.errors import DataError
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray
from poseapp.train.data.annotations import Person
from poseapp.train.eval.evaluation_set import Scored

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NOT_IN_PCKH = ("pelvis", "thorax")


@dataclass(frozen=True)
class Figures:
    """What a model is worth. Every share is 0..1; the names are the keys of the JSON file.

    ``ap`` … ``ar`` are COCO's; ``mean_oks``, ``oks50`` and ``oks75`` are over the ``people`` with five or more labelled
    joints, from ground-truth boxes; ``pck_*`` is PCK@0.2 by torso and ``pckh_total`` PCKh@0.5, over all labelled joints;
    ``ms_per_person`` the median time in the engine for one crop (two with the flip test).
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    mean_oks: float
    oks50: float
    oks75: float
    pck_total: float
    pck_by_joint: Mapping[str, float | None]
    pckh_total: float | None
    ms_per_person: float
    people: int

    def to_json(self) -> str:
        """The text of the JSON file; null for what cannot be said, such as AP without COCO's joints."""
        return as_json(self)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures, and what they came from.

    ``predicted`` (N, K, 3) x, y in px of the picture and score, for each of ``people``; ``errors`` counts the kinds of
    ``metrics.ERRORS`` by joint, (K, kinds); ``ap_medium`` and ``ap_large`` are COCO's APM and APL (−1: nobody of that size);
    ``pckh_by_joint`` (K,) is PCKh@0.5, NaN where nobody could be measured, by boxes about heads where the set has them
    (``head_boxes``). ``conventions`` is one line that says how the figures were made.
    """

    figures: Figures
    ap_medium: float
    ap_large: float
    people: Sequence[Person]
    predicted: FloatArray
    errors: NDArray[np.int64]
    scored: Scored
    pckh_by_joint: NDArray[np.float64]
    head_boxes: bool = False
    conventions: str = ""

    @property
    def skeleton(self) -> Skeleton:
        """The joints of ``predicted`` and of all figures."""
        return self.scored.skeleton


def summarise(
    people: Sequence[Person],
    predicted: FloatArray,
    coco: Sequence[float],
    scored: Scored,
    ms_per_person: float,
    head_boxes: bool = False,
) -> Evaluation:
    """All figures for *predicted* (N, K, 3) against *people*; *coco* as ``coco_summary`` gives it.

    *head_boxes*: the set says how large heads are. PCKh leaves out pelvis and thorax, as MPII's own evaluation does.
    """
    skeleton = scored.skeleton
    truth = np.stack([p.joints for p in people]).astype(np.float64)
    area = np.array([p.area for p in people])
    xy = predicted[..., :2].astype(np.float64)
    enough = metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS
    similarity = metrics.oks(xy, truth, area, skeleton.sigmas)[enough]
    pck = metrics.pck(xy, truth, metrics.torso_size(truth, skeleton), 0.2)
    pckh = metrics.pck(xy, truth, [p.head_px for p in people], 0.5)
    counted = np.where([name in NOT_IN_PCKH for name in skeleton.keypoints], 0, pckh.joints)
    pckh_total = float(np.nansum(pckh.by_joint * counted) / counted.sum()) if counted.sum() else None
    by_picture: dict[int, list[int]] = defaultdict(list)
    for n, person in enumerate(people):
        by_picture[person.image_id].append(n)
    others = [truth[[m for m in by_picture[p.image_id] if m != n]] for n, p in enumerate(people)]
    kinds = metrics.classify_errors(xy, truth, area, others, skeleton)
    errors = np.stack([(kinds == i).sum(axis=0) for i in range(len(metrics.ERRORS))], axis=1)
    ap, ap50, ap75, ap_medium, ap_large, ar = coco
    figures = Figures(
        ap=ap,
        ap50=ap50,
        ap75=ap75,
        ar=ar,
        mean_oks=float(similarity.mean()) if len(similarity) else float("nan"),
        oks50=float((similarity >= 0.5).mean()) if len(similarity) else float("nan"),
        oks75=float((similarity >= 0.75).mean()) if len(similarity) else float("nan"),
        pck_total=pck.total,
        pck_by_joint={
            name: float(value) if np.isfinite(value) else None
            for name, value in zip(skeleton.keypoints, pck.by_joint, strict=True)
        },
        pckh_total=pckh_total,
        ms_per_person=ms_per_person,
        people=int(enough.sum()),
    )
    return Evaluation(figures, ap_medium, ap_large, people, predicted, errors, scored, pckh.by_joint, head_boxes)


def as_json(figures: DataclassInstance) -> str:
    """The text of a JSON file with all fields of *figures*; null for what cannot be said (NaN)."""
    known = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(figures).items()}
    return json.dumps(known, indent=2, allow_nan=False) + "\n"


def write_json(text: str, path: Path) -> None:
    """Write the figures *text* to *path*; DataError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Give another path to --json.") from None
