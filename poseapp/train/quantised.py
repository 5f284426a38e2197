"""From a model of the store to its INT8 form: crops to calibrate on, the best ranges, and the accuracy it keeps. No torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.core import transform
from poseapp.core.errors import DataError, ModelError
from poseapp.core.pictures import PICTURES
from poseapp.core.roi import is_person, next_region, search_boxes
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import openvino
from poseapp.engine.base import Engine
from poseapp.engine.files import model_file, replacing
from poseapp.engine.ort import OrtEngine
from poseapp.engine.verify import TOLERANCE_PX, answers, distance_px, sample_crops
from poseapp.nets.quantise import RANGES, Calibration, Quantised, Range, quantise
from poseapp.train.evaluate import Evaluation, default_boxes, evaluate
from poseapp.train.people import read_image
from poseapp.train.sets import LabelledSet

CALIBRATE, CHOOSE = 96, 32  # crops to find ranges on, and others to choose between ranges
# The first convolutions stay in FP32: their few channels differ in range, one step for all of them rounds some away, and
# every later layer sees what is left. hourglass-s moves joints by 0.8 px with these three in FP32, by 2.3 px without.
IN_FP32 = 3
MAX_LOSS_OKS, MAX_LOSS_PCK = 0.01, 0.010  # what INT8 may lose against FP32
_SECTION = "## INT8"

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Loss:
    """Mean OKS and PCK@0.2 of FP32 and of INT8 on one labelled set of *people*."""

    annotations: str
    people: int
    oks: tuple[float, float]
    pck: tuple[float, float]

    @property
    def acceptable(self) -> bool:
        """Whether INT8 keeps what it must."""
        return self.oks[0] - self.oks[1] <= MAX_LOSS_OKS and self.pck[0] - self.pck[1] <= MAX_LOSS_PCK

    def __str__(self) -> str:
        oks, pck = self.oks, self.pck
        return f"mean OKS {oks[0]:.3f} → {oks[1]:.3f}, PCK@0.2 {100 * pck[0]:.1f} → {100 * pck[1]:.1f} % ({self.people} people)"


@dataclass(frozen=True)
class Report:
    """What became of a quantised model: ``losses`` on each labelled set, ``px`` the mean difference on the stored crops."""

    quantised: Quantised
    px: float
    losses: tuple[Loss, ...]
    runtime: str


def quantise_model(
    folder: Path,
    images: Path,
    annotations: Sequence[Path] = (),
    command: str = "",
    limit: int = 0,
    ranges: Sequence[Range] = RANGES,
    tell: Tell = lambda text, share: None,
) -> Report:
    """Write model.int8.onnx into *folder*, enter it in model.json and in the model card, and say what it loses.

    On each file of *annotations*, with its pictures in *images*, FP32 and INT8 are scored (*limit*: on so many people); the
    other pictures in *images* give the crops to calibrate on, and to choose between *ranges*. Raises ModelError, and leaves
    the model as it was, when INT8 loses more than 0.01 mean OKS or 1.0 PCK@0.2 there or moves the joints of the stored crops
    by more than 1.5 px, and when nothing can be written.
    """
    spec = ModelSpec.read(folder / "model.json")
    source = model_file(folder, spec)
    with replacing(folder) as made, closing(OrtEngine(source, spec)) as reference:
        crops = calibration_crops(images, annotations, reference, CALIBRATE + CHOOSE, lambda share: tell("cutting crops", share))
        quantised = _best(source, made / "model.int8.onnx", spec, reference, crops, ranges, tell)
        with closing(_engine(made / "model.int8.onnx", spec)) as engine:
            stored = sample_crops(spec.input_hw)
            px = distance_px(answers(engine, stored), answers(reference, stored))
            losses = tuple(_loss(path, images, reference, engine, limit, tell) for path in annotations)
            report = Report(quantised, px, losses, engine.backend.runtime)
        bad = next((loss for loss in losses if not loss.acceptable), None)
        if bad is not None:
            raise ModelError(f"{spec.name}: INT8 loses too much: {bad}. Give more, and more typical, pictures with --images.")
        if not px <= TOLERANCE_PX["INT8"]:
            raise ModelError(
                f"{spec.name}: INT8 moves joints by {px:.1f} px on the stored crops, 1.5 is the most. It is not kept."
            )
        (made / "model.json").write_text(_entered(spec, report).to_json(), encoding="utf-8")
        (made / "README.md").write_text(_card(folder, spec, report, command), encoding="utf-8")
    return report


def calibration_crops(
    images: Path, scored: Sequence[Path], engine: Engine, count: int, progress: Callable[[float], None] = lambda share: None
) -> ImageArray:
    """*count* crops (N, H, W, 3) as the app cuts them, drawn from the pictures in *images* that no file of *scored* names.

    Of each picture the whole, and the part where *engine* finds somebody in it. Fewer crops when there are few pictures;
    raises DataError when there are none.
    """
    spec, random = engine.spec, np.random.default_rng(0)
    crops: list[ImageArray] = []
    labelled = {p.path for path in scored for p in LabelledSet(path, images, "val").read(spec.skeleton, 1)}
    pictures = sorted(p for p in images.rglob("*") if p.suffix.lower() in PICTURES and p not in labelled)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder. Give one of JPEG or PNG files with --images.")
    if not pictures:
        raise DataError(f"{images}: no pictures besides those to score on. Give a folder of JPEG or PNG files with --images.")
    for i in random.permutation(len(pictures)):
        picture = read_image(pictures[i])
        hw = (picture.shape[0], picture.shape[1])
        boxes = search_boxes(hw, spec.input_hw)
        whole = _crop(picture, boxes[0], spec)
        joints = engine.infer(whole[None]).keypoints[0].copy()
        crops.append(whole)
        if is_person(joints[:, 2], known=True):
            xy = transform.apply(transform.invert(transform.crop_affine(boxes[0], spec.input_hw)), joints[:, :2])
            crops.append(_crop(picture, next_region(spec.skeleton, xy.astype(np.float32), joints[:, 2], hw, spec.input_hw), spec))
        progress(min(1.0, len(crops) / count))
        if len(crops) >= count:
            break
    return np.stack(crops[:count])


def _crop(picture: ImageArray, box: np.ndarray, spec: ModelSpec) -> ImageArray:
    return transform.crop(picture, transform.crop_affine(box, spec.input_hw), spec.input_hw)


def _best(
    source: Path, target: Path, spec: ModelSpec, reference: Engine, crops: ImageArray, choice: Sequence[Range], tell: Tell
) -> Quantised:
    """Quantise with the ranges that move the joints least on crops that were not used to find them, in the runtime that moves
    them most: the file must serve in each, and they do not round alike.
    """
    held_back = max(1, len(crops) // 4)
    calibration = Calibration(source, crops[held_back:], lambda share: tell("calibrating", share))
    keep = calibration.first(IN_FP32)
    if len(choice) == 1:
        return quantise(source, target, calibration, choice[0], keep)
    trusted = answers(reference, crops[:held_back])
    moved: dict[str, float] = {}
    for i, ranges in enumerate(choice):
        tell(f"trying ranges by {ranges}", i / len(choice))
        quantise(source, target, calibration, ranges, keep)
        moved[ranges] = 0.0
        for runtime in (OrtEngine, _engine):
            with closing(runtime(target, spec)) as engine:
                moved[ranges] = max(moved[ranges], distance_px(answers(engine, crops[:held_back]), trusted))
    best = min(choice, key=lambda ranges: moved[ranges])
    return quantise(source, target, calibration, best, keep)


def _engine(path: Path, spec: ModelSpec) -> Engine:
    """An engine for an INT8 file: OpenVINO where it is, since ONNX Runtime is slow with such graphs."""
    return OrtEngine(path, spec) if openvino.unavailable() else openvino.OpenVinoEngine(path, spec)


def _loss(annotations: Path, images: Path, reference: Engine, engine: Engine, limit: int, tell: Tell) -> Loss:
    def score(what: str, of: Engine) -> Evaluation:
        def on_person(done: int, total: int) -> None:
            tell(f"scoring {what}", done / total)

        return evaluate(of, annotations, images, boxes=default_boxes(of.spec), limit=limit, on_person=on_person)

    before, after = score("FP32", reference).figures, score("INT8", engine).figures
    return Loss(annotations.name, before.people, (before.mean_oks, after.mean_oks), (before.pck_total, after.pck_total))


def _entered(spec: ModelSpec, report: Report) -> ModelSpec:
    """*spec* with hash and figures of the INT8 file, in the place of older ones."""
    metrics = {key: value for key, value in spec.metrics.items() if not key.startswith("int8_")}
    metrics["int8_px"] = round(report.px, 3)
    for loss in report.losses:
        name = Path(loss.annotations).stem
        metrics[f"int8_oks_loss_{name}"] = round(loss.oks[0] - loss.oks[1], 5)
        metrics[f"int8_pck_loss_{name}"] = round(loss.pck[0] - loss.pck[1], 5)
    return dataclasses.replace(spec, metrics=metrics, variants={**spec.variants, "int8": report.quantised.sha256})


def _card(folder: Path, spec: ModelSpec, report: Report, command: str) -> str:
    """The model card with the section INT8, in the place of an older one."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else f"# {spec.name}\n"
    text = re.sub(rf"{_SECTION}\n.*?(?=^## |\Z)", "", text, flags=re.DOTALL | re.MULTILINE)
    at = text.find("## Known limits")
    at = len(text) if at < 0 else at
    return f"{text[:at].rstrip()}\n\n{_section(report, command)}\n{text[at:]}"


def _section(report: Report, command: str) -> str:
    q = report.quantised
    rows = [
        f"| {loss.annotations} | {loss.people} | {loss.oks[0]:.3f} | {loss.oks[1]:.3f} | {100 * loss.pck[0]:.1f} % | "
        f"{100 * loss.pck[1]:.1f} % |"
        for loss in report.losses
    ]
    heads = ["| set | people | mean OKS, FP32 | INT8 | PCK@0.2, FP32 | INT8 |", "| --- | --- | --- | --- | --- | --- |"]
    table = "\n".join([*heads, *rows]) if rows else "Its accuracy was not measured on labelled pictures."
    made = f"\n\n```\n{command}\n```" if command else ""
    return f"""{_SECTION}

`model.int8.onnx` (SHA-256 `{q.sha256}`): {q.convolutions} convolutions in INT8, {q.kept} in FP32; weights with a scale for each
channel, activations with one each (ranges by {q.ranges}), all symmetric; normalisation, sums and decoding in FP32. On the stored
crops joints move by {report.px:.2f} px on average.

{table}

Measured in {report.runtime}.{made}
"""
