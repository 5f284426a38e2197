"""From a model of the store to its INT8 files: crops to calibrate on, the best ranges, and the accuracy they keep. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.convert.card import table, with_section
from poseapp.convert.int8 import FIRST_KEPT, Quantised, quantise
from poseapp.convert.int8_calibration import RANGES, Range, RangeCalibration
from poseapp.core import transform
from poseapp.core.errors import DataError, ModelError
from poseapp.core.pictures import PICTURES
from poseapp.core.roi import is_person, next_region, search_boxes
from poseapp.core.spec import PROCESSORS, ModelSpec, Processor
from poseapp.core.types import ImageArray
from poseapp.engine import openvino
from poseapp.engine.base import Engine
from poseapp.engine.comparator import TOLERANCE_PX, distance_px, keypoints_of, sample_crops
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.train.data.annotations import read_image
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.eval.evaluate import EvaluationOptions, default_boxes, evaluate
from poseapp.train.eval.figures import Figures

CALIBRATE, CHOOSE = 96, 32  # crops to find ranges on, and others to choose between ranges
MAX_LOSS_OKS, MAX_LOSS_PCK = 0.01, 0.010  # what INT8 may lose against FP32
_SERVED: dict[Processor, str] = {"cpu": "CPUs: ONNX Runtime and OpenVINO", "gpu": "GPUs: TensorRT"}
_ELSE: dict[Processor, str] = {"cpu": "FP32", "gpu": "FP16"}  # what convolutions are in that are not in INT8
_SCORED = ("set", "people", "mean OKS, FP32", "INT8", "PCK@0.2, FP32", "INT8")

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class AccuracyLoss:
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
class RuntimeCheck:
    """What INT8 keeps in one *runtime*: ``px``, how far joints move on the stored crops, and ``losses`` on each labelled set."""

    runtime: str
    px: float
    losses: tuple[AccuracyLoss, ...]


@dataclass(frozen=True)
class Int8File:
    """One INT8 *file*, by its name, for the processors that it *serves*, and what it keeps in each runtime it was tried in."""

    file: str
    serves: Processor
    quantised: Quantised
    checks: tuple[RuntimeCheck, ...]


@dataclass(frozen=True)
class Int8Report:
    """What became of a quantised model: its file for CPUs and its file for GPUs."""

    files: tuple[Int8File, ...]

    @property
    def px(self) -> float:
        """How far joints move on the stored crops, where they move most."""
        return max(check.px for made in self.files for check in made.checks)


def quantise_model(
    folder: Path,
    images: Path,
    annotations: Sequence[Path] = (),
    command: str = "",
    limit: int = 0,
    ranges: Sequence[Range] = RANGES,
    tell: Tell = lambda text, share: None,
) -> Int8Report:
    """Write model.int8-cpu.onnx and model.int8-gpu.onnx into *folder*, enter them in model.json and in the model card, and say
    what they lose.

    On each file of *annotations*, with its pictures in *images*, FP32 and INT8 are scored (*limit*: on so many people); the
    other pictures in *images* give the crops to calibrate on, and to choose between *ranges*. Raises ModelError, and leaves
    the model as it was, when INT8 loses more than 0.01 mean OKS or 1.0 PCK@0.2 there or moves the joints of the stored crops
    by more than 1.5 px, and when nothing can be written.
    """
    model = ModelFolder(folder)
    spec = model.spec()
    source = model.graph(spec)
    with model.adding() as made, closing(OrtEngine(source, spec)) as reference:
        crops = calibration_crops(images, annotations, reference, CALIBRATE + CHOOSE, lambda share: tell("cutting crops", share))
        score = _Scoring(images, annotations, reference, limit, tell)
        files = []
        for serves in PROCESSORS:
            path = made.file(variant(serves))
            quantised = _best(source, path, reference, crops, serves, ranges, tell)
            files.append(Int8File(path.name, serves, quantised, score(path, serves)))
        report = Int8Report(tuple(files))
        others = {key: sha256 for key, sha256 in spec.variants.items() if key.partition("-")[0] != "int8"}
        spec = dataclasses.replace(spec, metrics=_metrics(spec, report), variants=others)
        made.write_spec(made.with_variants(spec, *map(variant, PROCESSORS)))
        made.write_card(with_section(model.read_card() or f"# {spec.name}\n", "INT8", _section(report, command)))
    model.file("int8").unlink(missing_ok=True)  # of a time when one file served both
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


def variant(serves: Processor) -> str:
    """The key of ``ModelSpec.variants`` for the INT8 file that *serves* one kind of processor."""
    return f"int8-{serves}"


def _runtimes(serves: Processor) -> tuple[type[OrtEngine] | type[openvino.OpenVinoEngine], ...]:
    """The runtimes to try a file in. That for GPUs is tried in ONNX Runtime alone, which computes its roundings as they are
    written, in floating point: OpenVINO would compute it in integers, too small ones on some processors.
    """
    return (OrtEngine,) if serves == "gpu" or openvino.unavailable() else (OrtEngine, openvino.OpenVinoEngine)


def _best(
    source: Path,
    target: Path,
    reference: Engine,
    crops: ImageArray,
    serves: Processor,
    choice: Sequence[Range],
    tell: Tell,
) -> Quantised:
    """Quantise with the ranges that move the joints least on crops that were not used to find them, in the runtime that moves
    them most: the file must serve in each, and they do not round alike.
    """
    held_back = max(1, len(crops) // 4)
    calibration = RangeCalibration(source, crops[held_back:], serves, lambda share: tell("calibrating", share))
    keep = calibration.first(FIRST_KEPT[serves])
    if len(choice) == 1:
        return quantise(source, target, calibration, choice[0], keep)
    trusted = keypoints_of(reference, crops[:held_back])
    moved: dict[str, float] = {}
    for i, ranges in enumerate(choice):
        tell(f"trying ranges by {ranges}", i / len(choice))
        quantise(source, target, calibration, ranges, keep)
        moved[ranges] = 0.0
        for runtime in _runtimes(serves):
            with closing(runtime(target, reference.spec)) as engine:
                moved[ranges] = max(moved[ranges], distance_px(keypoints_of(engine, crops[:held_back]), trusted))
    best = min(choice, key=lambda ranges: moved[ranges])
    return quantise(source, target, calibration, best, keep)


class _Scoring:
    """Compares INT8 files with *reference*, on the stored crops and on each of *annotations*; FP32 is scored once."""

    def __init__(self, images: Path, annotations: Sequence[Path], reference: Engine, limit: int, tell: Tell) -> None:
        self._images, self._limit, self._tell = images, limit, tell
        self._spec = reference.spec
        self._crops = sample_crops(self._spec.input_hw)
        self._trusted = keypoints_of(reference, self._crops)
        self._before = {path: self._figures("FP32", path, reference) for path in annotations}

    def __call__(self, path: Path, serves: Processor) -> tuple[RuntimeCheck, ...]:
        """What the file at *path* keeps in each runtime. Raises ModelError where that is too little."""
        checks = []
        for runtime in _runtimes(serves):
            with closing(runtime(path, self._spec)) as engine:
                name = engine.backend.runtime
                px = distance_px(keypoints_of(engine, self._crops), self._trusted)
                if not px <= TOLERANCE_PX["INT8"]:
                    raise ModelError(
                        f"{self._spec.name}: INT8 moves joints by {px:.1f} px on the stored crops in {name}, 1.5 is the most. "
                        "It is not kept."
                    )
                checks.append(RuntimeCheck(name, px, tuple(self._loss(*one, engine) for one in self._before.items())))
        return tuple(checks)

    def _loss(self, annotations: Path, before: Figures, engine: Engine) -> AccuracyLoss:
        after = self._figures(f"INT8 in {engine.backend.runtime}", annotations, engine)
        oks, pck = (before.mean_oks, after.mean_oks), (before.pck_total, after.pck_total)
        loss = AccuracyLoss(annotations.name, before.people, oks, pck)
        if not loss.acceptable:
            raise ModelError(
                f"{engine.spec.name}: INT8 loses too much: {loss}. Give more, and more typical, pictures with --images."
            )
        return loss

    def _figures(self, what: str, annotations: Path, engine: Engine) -> Figures:
        def on_person(done: int, total: int) -> None:
            self._tell(f"scoring {what}", done / total)

        options = EvaluationOptions(boxes=default_boxes(engine.spec), limit=self._limit)
        return evaluate(engine, annotations, self._images, options, on_person=on_person).figures


def _metrics(spec: ModelSpec, report: Int8Report) -> dict[str, float]:
    """The figures of *spec* with those of the INT8 files in the place of older ones. A figure is that where INT8 loses most."""
    metrics = {key: value for key, value in spec.metrics.items() if not key.startswith("int8_")}
    metrics["int8_px"] = round(report.px, 3)
    for loss in (loss for made in report.files for check in made.checks for loss in check.losses):
        stem = Path(loss.annotations).stem
        for name, (before, after) in ((f"int8_oks_loss_{stem}", loss.oks), (f"int8_pck_loss_{stem}", loss.pck)):
            metrics[name] = max(metrics.get(name, -1.0), round(before - after, 5))
    return metrics


def _section(report: Int8Report, command: str) -> str:
    files = []
    for made in report.files:
        q = made.quantised
        counts = f"{q.convolutions} in INT8, {q.kept} in {_ELSE[made.serves]}"
        files.append([f"`{made.file}`", _SERVED[made.serves], counts, q.ranges, f"`{q.sha256}`"])
    rows = [
        [made.file.split(".")[1], check.runtime, f"{check.px:.2f} px", *scores]
        for made in report.files
        for check in made.checks
        for scores in ([_scores(loss) for loss in check.losses] or [["not measured"]])
    ]
    scored = any(check.losses for made in report.files for check in made.checks)
    heads = ["file", "in", "joints move by", *(_SCORED if scored else ["accuracy on labelled pictures"])]
    how = f"\n\n```\n{command}\n```" if command else ""
    return f"""{table(["file", "for", "convolutions", "ranges by", "SHA-256"], files)}

For CPUs: weights of 7 bits with a scale for each channel, so that no sum overflows on processors without VNNI, activations of
8 bits with one scale and zero-point each; sums are in FP32. For TensorRT: 8 bits, all symmetric, also what is added to the output
of a convolution; the rest of the network is in FP16. Normalisation and decoding are in FP32.

{table(heads, rows)}

Joints move by so much on the stored crops, on average. The file for TensorRT was tried on a CPU, which computes its roundings
in floating point.{how}"""


def _scores(loss: AccuracyLoss) -> list[str]:
    (oks, oks_int8), (pck, pck_int8) = loss.oks, loss.pck
    figures = f"{oks:.3f}", f"{oks_int8:.3f}", f"{100 * pck:.1f} %", f"{100 * pck_int8:.1f} %"
    return [loss.annotations, str(loss.people), *figures]
