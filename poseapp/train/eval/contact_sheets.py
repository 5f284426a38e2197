"""People and what a model says of them: the worst in their pictures, and line drawings for model cards, without photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics, transform
from poseapp.core.errors import DataError
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import ImageArray, Poses
from poseapp.render import DrawOptions, draw_poses
from poseapp.train.data.annotations import BOX_PADDING, read_image
from poseapp.train.eval.figures import Evaluation

_GREY, _PALE, _INK = (150, 150, 150), (228, 228, 228), (60, 60, 60)


def contact_sheet(evaluation: Evaluation, worst: int = 20, cell_hw: tuple[int, int] = (256, 192)) -> ImageArray:
    """The *worst* people by OKS, five to a row: truth on the left, prediction on the right, uint8 BGR."""
    skeleton = evaluation.skeleton
    truth = np.stack([p.joints for p in evaluation.people])
    similarity = metrics.oks(evaluation.predicted[..., :2], truth, [p.area for p in evaluation.people], skeleton.sigmas)
    similarity = np.where(metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS, similarity, np.inf)
    order = [n for n in np.argsort(similarity, kind="stable")[:worst] if np.isfinite(similarity[n])]
    cells = []
    for n in order:
        person = evaluation.people[n]
        affine = transform.crop_affine(transform.fit_aspect(person.box, cell_hw, BOX_PADDING), cell_hw)
        crop = transform.crop(read_image(person.path), affine, cell_hw)
        shown = metrics.labelled(person.joints)
        pair = [
            _draw(crop.copy(), transform.apply(affine, person.joints[:, :2].astype(np.float64)), shown, skeleton),
            _draw(crop.copy(), transform.apply(affine, evaluation.predicted[n, :, :2].astype(np.float64)), shown, skeleton),
        ]
        cell = np.hstack(pair)
        label = f"{person.annotation_id}: OKS {similarity[n]:.2f}"
        cv2.putText(cell, label, (4, cell_hw[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(cell, label, (4, cell_hw[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(cv2.copyMakeBorder(cell, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(40, 40, 40)))
    columns = 5
    blank = np.zeros((cell_hw[0] + 4, 2 * cell_hw[1] + 4, 3), np.uint8)
    cells += [blank] * (-len(cells) % columns or (columns if not cells else 0))
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]).astype(np.uint8, copy=False)


def _draw(image: ImageArray, xy: NDArray[np.floating], shown: NDArray[np.bool_], skeleton: Skeleton) -> ImageArray:
    """*image* with the *shown* joints (K,) of one pose drawn into it."""
    draw_poses(image, _pose(xy, shown, skeleton, 1.0), DrawOptions(threshold=0.5))
    return image


def draw_poses_alone(evaluation: Evaluation, each: int = 8, cell_hw: tuple[int, int] = (192, 144)) -> ImageArray:
    """Successes above and failures below, *each* many, as line drawings on blank ground, uint8 BGR.

    Grey is the truth, in colours (blue left, orange right) what the model says of the joints that somebody has labelled. The
    successes are spread over the better half of people by OKS, the failures over the worst tenth.
    """
    truth = np.stack([p.joints for p in evaluation.people])
    area = np.array([p.area for p in evaluation.people])
    similarity = metrics.oks(evaluation.predicted[..., :2], truth, area, evaluation.skeleton.sigmas)
    enough = np.flatnonzero((metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS) & np.isfinite(similarity))
    order = enough[np.argsort(-similarity[enough], kind="stable")]
    rows = []
    for part in (order[: max(1, len(order) // 2)], order[len(order) - max(1, len(order) // 10) :]):
        chosen = part[np.linspace(0, len(part) - 1, min(each, len(part))).round().astype(int)] if len(order) else part
        cells = [_cell(evaluation, int(n), float(similarity[n]), cell_hw) for n in chosen]
        cells += [np.full((*cell_hw, 3), 255, np.uint8)] * (each - len(cells))
        rows.append(np.hstack(cells))
    return np.vstack(rows).astype(np.uint8, copy=False)


def _cell(evaluation: Evaluation, n: int, similarity: float, cell_hw: tuple[int, int]) -> ImageArray:
    person = evaluation.people[n]
    affine = transform.crop_affine(transform.fit_aspect(person.box, cell_hw, BOX_PADDING), cell_hw)
    known = metrics.labelled(person.joints)
    skeleton = evaluation.skeleton
    image = np.full((*cell_hw, 3), 255, np.uint8)
    true, said = (transform.apply(affine, xy.astype(np.float64)) for xy in (person.joints[:, :2], evaluation.predicted[n, :, :2]))
    for a, b in skeleton.limbs:
        if known[a] and known[b]:
            cv2.line(image, true[a].round().astype(int).tolist(), true[b].round().astype(int).tolist(), _GREY, 4, cv2.LINE_AA)
    for point in true[known]:
        cv2.circle(image, point.round().astype(int).tolist(), 3, _GREY, -1, cv2.LINE_AA)
    draw_poses(image, _pose(said, known, skeleton, 0.5), DrawOptions(threshold=0.5))
    cv2.rectangle(image, (0, 0), (cell_hw[1] - 1, cell_hw[0] - 1), _PALE, 1)
    cv2.putText(image, f"OKS {similarity:.2f}", (4, cell_hw[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return image


def _pose(xy: NDArray[np.floating], shown: NDArray[np.bool_], skeleton: Skeleton, score: float) -> Poses:
    """One person with the *shown* joints (K,); a low *score* draws thin lines."""
    points = np.where(shown[:, None], xy, np.nan).astype(np.float32)[None]
    scores = np.where(shown, score, 0).astype(np.float32)[None]
    return Poses(xy=points, score=scores, person_score=np.ones(1, np.float32), ids=np.zeros(1, np.int64), skeleton=skeleton)


def write_png(image: ImageArray, path: Path) -> None:
    """Write *image* to *path*; DataError when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}).") from None
