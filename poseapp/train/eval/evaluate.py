"""Score an exported model in the engine that the app uses. Needs no torch.

Conventions, those of the papers: boxes are widened to the input's aspect and padded by 1.25 (Sun et al. 2019,
Sec. 4.1); with the flip test, the heatmaps of the picture and its mirror image are averaged (Newell et al. 2016,
Sec. 4.1); a detection's score is its box's score times the mean score of its joints above 0.2, and doubles above
OKS 0.9 are dropped, when boxes come from a detector (Sun et al. 2019, released evaluation code). A bottom-up network sees
whole pictures fitted into its input, and the people are put together along its fields (Cao et al. 2017, Sec. 2.3 to 2.5) or by
itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from poseapp.core.errors import DataError
from poseapp.core.spec import ModelSpec
from poseapp.engine.base import Engine
from poseapp.engine.detector import Detector
from poseapp.train.eval.average_precision import coco_summary, require_pycocotools, shared_summary
from poseapp.train.eval.box_sources import Progress, box_source
from poseapp.train.eval.evaluation_set import EvaluationSet
from poseapp.train.eval.figures import Evaluation, summarise
from poseapp.train.eval.predictor import PersonPredictor


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How a model is scored.

    ``boxes`` says where people are looked for: "gt" in annotated boxes; "detect" in those that a detector finds, and without
    a detector one person a picture is searched for as the app does then; "whole" has a bottom-up network find everybody in
    whole pictures; anything else is the path of a COCO detection file. AP and AR then use these; but for "whole", the other
    figures always come from annotated boxes. ``flip`` averages the heatmaps with those of the mirrored crop, ``scales`` with
    those of larger and smaller crops. ``limit`` stops after so many people (0: all).
    """

    boxes: str = "gt"
    flip: bool = False
    scales: tuple[float, ...] = ()
    limit: int = 0


def default_boxes(spec: ModelSpec) -> str:
    """Where people are looked for when nobody says: bottom-up networks see whole pictures, all others annotated boxes."""
    return "whole" if spec.finds_everybody else "gt"


def evaluate(
    engine: Engine,
    annotations: Path,
    images: Path,
    options: EvaluationOptions = EvaluationOptions(),
    detector: Detector | None = None,
    on_person: Progress = lambda done, total: None,
) -> Evaluation:
    """Score *engine* on the people of a COCO-format keypoint file, or of MPII's or LSP's own.

    A model of another skeleton than the set's is scored on the joints that both have. *detector* is for the boxes "detect".
    *on_person* is called with how many are done, of how many. Raises DataError on wrong annotations, boxes or pictures, and
    ModelError when the model cannot do what *options* ask for.
    """
    if options.boxes == "whole" and (options.flip or options.scales):
        raise DataError(f"{engine.spec.name}: --flip and --multi-scale are for crops, got whole pictures. Leave them out.")
    part = EvaluationSet.read(annotations, images, engine.spec.skeleton, options.limit)
    if part.by_coco:
        require_pycocotools()
    source = box_source(options.boxes, engine, detector)
    found = source.predict(part, PersonPredictor(engine, options.flip, options.scales), on_person)
    if part.by_coco:
        coco = coco_summary(part.labelled.content, found.boxes, found.poses, part.image_ids if part.limited else None)
    else:
        coco = shared_summary(part.people, found.boxes, found.poses, part.scored)
    result = summarise(part.people, found.joints, coco, part.scored, found.ms, part.head_boxes)
    return replace(result, conventions=_conventions(engine, part, source.description, options))


def _conventions(engine: Engine, part: EvaluationSet, where: str, options: EvaluationOptions) -> str:
    """One line that says how the figures were made."""
    spec = engine.spec
    if part.head_boxes:
        head = "0.6 × the head box's diagonal, without pelvis and thorax"
    else:
        head = "neck to head top" if "head_top" in part.scored.skeleton.keypoints else "1.5 × the widest labelled face distance"
    joints = "" if part.by_coco else f"{part.scored}; OKS and AP over those of them that COCO has, without crowds; "
    tests = "flip test" if options.flip else "no flip test"
    if options.scales:
        tests += f", mean of {len(options.scales)} scales"
    height, width = spec.input_hw
    return (
        f"{joints}{height}×{width} {where}; {tests}; "
        f"decode {spec.decode}, mapping {spec.mapping}; PCK@0.2 of left shoulder to right hip; PCKh@0.5 of {head}; "
        f"{engine.backend}"
    )
