"""The person detector: where people are in a whole frame."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from poseapp.core import transform
from poseapp.core.errors import EngineError, ModelError
from poseapp.core.json_files import Fields, read_json, shortened
from poseapp.core.spec import LARGEST_SIDE, Source, is_name
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend
from poseapp.engine.model_folder import ModelFolder, check_hash
from poseapp.engine.onnxruntime import open_session, run_session
from poseapp.engine.store import folders_with

MOST_BOXES = 10_000


@dataclass(frozen=True)
class DetectorSpec:
    """A deployed detector: what detector.json holds.

    ``input_hw`` is the input in px, into which a frame is fitted as a whole; ``boxes`` how many the graph gives, best first;
    ``threshold`` the score (0..1) from which a box counts as a person; ``weights_sha256`` the hash of model.onnx;
    ``parameters`` and ``macs`` are counts; ``metrics`` figures by name, measured as the model card says.
    """

    FILE: ClassVar[str] = "detector.json"

    name: str
    input_hw: tuple[int, int]
    boxes: int
    threshold: float
    weights_sha256: str
    parameters: int
    macs: int
    source: Source
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        def require(ok: bool, key: str, expected: str, got: object) -> None:
            if not ok:
                raise ModelError(
                    f"detector {shortened(self.name)[1:-1]}: {key}: expected {expected}, got {shortened(got)}. Export it again."
                )

        require(is_name(self.name), "name", "a name without a slash", self.name)
        sides = f"two sizes in px, at most {LARGEST_SIDE}"
        require(min(self.input_hw) > 0 and max(self.input_hw) <= LARGEST_SIDE, "input_hw", sides, self.input_hw)
        require(0 < self.boxes <= MOST_BOXES, "boxes", f"a positive number, at most {MOST_BOXES}", self.boxes)
        require(math.isfinite(self.threshold) and 0 <= self.threshold <= 1, "threshold", "a score in 0..1", self.threshold)
        hexadecimal = len(self.weights_sha256) == 64 and set(self.weights_sha256) <= set("0123456789abcdef")
        require(hexadecimal, "weights_sha256", "64 lower-case hexadecimal digits", self.weights_sha256)

    def to_json(self) -> str:
        """The text of detector.json."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        content |= {"source": dataclasses.asdict(self.source), "metrics": dict(self.metrics)}
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> DetectorSpec:
        """The spec in the file *path*; ModelError when it cannot be read, lacks a key, or has one that is wrong."""

        def wrong(what: str) -> ModelError:
            return ModelError(f"{path}: {what}. Export the detector again.")

        try:
            content = read_json(path, wrong)
        except OSError as error:
            raise wrong(f"cannot be read ({error.strerror})") from None
        expected = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(content, dict) or content.keys() != expected:
            odd = sorted(content.keys() ^ expected)[:5] if isinstance(content, dict) else "no object"
            raise wrong(f"expected the keys {', '.join(sorted(expected))}; wrong: {odd}")
        fields = Fields(content, lambda what: wrong(f"a value has the wrong type ({what})"))
        source = fields.texts("source")
        if source.keys() != {f.name for f in dataclasses.fields(Source)}:
            raise wrong(f"source: expected paper, data, licence and url, got {shortened(sorted(source))}")
        return cls(
            name=fields.text("name"),
            input_hw=fields.hw("input_hw"),
            boxes=fields.integer("boxes"),
            threshold=fields.number("threshold"),
            weights_sha256=fields.text("weights_sha256"),
            parameters=fields.integer("parameters"),
            macs=fields.integer("macs"),
            source=Source(**source),
            metrics=fields.numbers("metrics"),
        )


class Detector:
    """The detector in *folder*, loaded and warmed up, in ONNX Runtime on the CPU.

    One thread makes, uses and closes it, as with an Engine; whoever made the detector closes it. *threads* 0 takes the cores
    that this process may use, at most 8.
    Raises ModelError when detector.json or model.onnx is missing or wrong, EngineError when the graph cannot run.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.spec = DetectorSpec.read(folder / DetectorSpec.FILE)
        path = ModelFolder(folder).file()
        check_hash(path, self.spec.weights_sha256, DetectorSpec.FILE, "export the detector again")
        self._session: Any = open_session(path, threads)
        want = [*self.spec.input_hw, 3], [self.spec.boxes, 5]
        shapes = [[list(v.shape)[1:] for v in values] for values in (self._session.get_inputs(), self._session.get_outputs())]
        names = [v.name for v in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != ["crops", "boxes"] or shapes != [[want[0]], [want[1]]]:
            raise EngineError(
                f"{path}: expected input crops N×{'×'.join(map(str, want[0]))} and output boxes N×{self.spec.boxes}×5, "
                f"got {names} of {shapes}. Export the detector again."
            )
        import onnxruntime

        self.backend = Backend(f"ONNX Runtime {onnxruntime.__version__}", "CPU", "FP32")
        self.infer(np.zeros((1, *self.spec.input_hw, 3), np.uint8))  # the first run allocates

    def find(self, image: ImageArray, limit: int = 30, threshold: float | None = None) -> tuple[FloatArray, FloatArray]:
        """People in *image* (H, W, 3) uint8 BGR: boxes (M, 4) x, y, width, height in frame px, and scores (M,), best first.

        At most *limit* of them, and none below *threshold* (default: that of the spec). Boxes are cut at the frame's edges.
        """
        hw = (image.shape[0], image.shape[1])
        affine = transform.crop_affine(transform.whole_box(hw), self.spec.input_hw)
        found = self.infer(transform.crop(image, affine, self.spec.input_hw)[None])[0]
        found = found[found[:, 4] >= (self.spec.threshold if threshold is None else threshold)][:limit]
        return frame_boxes(found[:, :4], affine, hw), found[:, 4].copy()

    def infer(self, crops: ImageArray) -> FloatArray:
        """Boxes (N, M, 5) x, y, width, height in input px and score, best first, of *crops* (N, H, W, 3) uint8 BGR."""
        if self._session is None:
            raise EngineError(f"{self.spec.name}: the detector is closed.")
        return run_session(self._session, self.spec.name, ["boxes"], crops)[0]

    def close(self) -> None:
        """Free the session; safe to call twice."""
        self._session = None


def frame_boxes(boxes: FloatArray, affine: transform.Affine, hw: tuple[int, int]) -> FloatArray:
    """*boxes* (M, 4) in input px as boxes in frame px, cut at the edges of a frame of *hw*; *affine*: frame to input."""
    back = transform.invert(affine)
    low = transform.apply(back, boxes[:, :2].astype(np.float64))
    high = transform.apply(back, boxes[:, :2].astype(np.float64) + boxes[:, 2:])
    edge = np.array([hw[1], hw[0]]) - 0.5
    low, high = np.clip(low, -0.5, edge), np.clip(high, -0.5, edge)
    return np.concatenate([low, high - low], axis=1).astype(np.float32)


def find_detector(engines_dir: Path) -> Path | None:
    """The folder of the person detector in the store: one that can be used, the user's own first; None where there is none."""
    folders = folders_with(engines_dir, DetectorSpec.FILE)
    return next((folder for folder in folders if _readable(folder)), next(iter(folders), None))


def _readable(folder: Path) -> bool:
    try:
        DetectorSpec.read(folder / DetectorSpec.FILE)
    except ModelError:
        return False
    return True
