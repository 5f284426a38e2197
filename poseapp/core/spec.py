"""ModelSpec: how to run a model and where it comes from, and the JSON form of it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from poseapp.core.errors import ModelError, is_plain
from poseapp.core.heatmap import MAPPINGS, Decode, Mapping
from poseapp.core.json_files import Fields, parse_json, read_json, shortened
from poseapp.core.skeleton import SKELETONS, Skeleton

Family = Literal["hourglass", "hrnet", "cpm", "openpose", "rtmpose", "rtmo"]
FAMILIES: tuple[str, ...] = get_args(Family)
NO_SHA256 = "0" * 64  # of a graph that is not written yet
LARGEST_SIDE = 4096  # px of a crop: what is larger would take all memory
FAMILY_LABELS: MappingABC[str, str] = {
    "hourglass": "Hourglass", "hrnet": "HRNet", "cpm": "CPM", "openpose": "OpenPose", "rtmpose": "RTMPose", "rtmo": "RTMO",
}  # fmt: skip
_FAMILIES_WITH_FIELDS = frozenset({"openpose"})
_ONE_STAGE_FAMILIES = frozenset({"rtmo"})
# How joints come about: by a rule on heatmaps (core/heatmap.py), from a line of values for x and one for y ("simcc": Li et al.,
# SimCC, ECCV 2022), or as the network itself gives them ("network").
JointRule = Decode | Literal["simcc", "network"]
JOINT_RULES: tuple[str, ...] = (*get_args(Decode), "simcc", "network")
Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Processor = Literal["cpu", "gpu"]
PROCESSORS: tuple[Processor, ...] = get_args(Processor)
# "int8" alone: models from a time when one INT8 file served both processors.
VARIANTS = ("fp16", "int8-cpu", "int8-gpu", "int8")


@dataclass(frozen=True)
class Source:
    """Where a model comes from."""

    paper: str
    data: str
    licence: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A deployed model.

    ``input_hw`` is the crop in px; ``stride`` input px per heatmap px; ``decode`` and ``mapping`` say how
    heatmaps become joints (core/heatmap.py), and a score is the height of the peak (0 to 1), its odds times ``score_odds``.
    Where ``decode`` is "network" there are no heatmaps, and ``stride``, ``mapping`` and ``sigma_px`` mean nothing;
    ``sigma_px`` is the spread of the training targets in heatmap px; ``weights_sha256`` the hash of model.onnx;
    ``parameters`` and ``macs`` (one crop) are counts; ``metrics`` figures by name, measured as the model card says;
    ``variants`` the same model in other precisions: "fp16", or "int8-cpu" → hash of model.fp16.onnx or model.int8-cpu.onnx.
    """

    FILE: ClassVar[str] = "model.json"

    name: str
    family: Family
    skeleton: Skeleton
    input_hw: tuple[int, int]
    stride: int
    decode: JointRule
    mapping: Mapping
    sigma_px: float
    weights_sha256: str
    parameters: int
    macs: int
    source: Source
    metrics: MappingABC[str, float]
    variants: MappingABC[str, str]
    score_odds: float = 1.0

    def __post_init__(self) -> None:
        def require(ok: bool, key: str, expected: str, got: object) -> None:
            if not ok:
                name = shortened(self.name)[1:-1]
                raise ModelError(f"model {name}: {key}: expected {expected}, got {shortened(got)}. Export the model again.")

        require(is_name(self.name), "name", "a name without a slash", self.name)
        require(self.family in FAMILIES, "family", f"one of {', '.join(FAMILIES)}", self.family)
        require(self.decode in JOINT_RULES, "decode", f"one of {', '.join(JOINT_RULES)}", self.decode)
        require((self.decode == "network") == self.one_stage, "decode", 'with family rtmo, and with no other, "network"',
                self.decode)  # fmt: skip
        require(self.mapping in MAPPINGS, "mapping", f"one of {', '.join(MAPPINGS)}", self.mapping)
        require(self.stride > 0 and all(s > 0 and s % self.stride == 0 for s in self.input_hw), "input_hw",
                f"two multiples of the stride {self.stride}", self.input_hw)  # fmt: skip
        require(max(self.input_hw) <= LARGEST_SIDE, "input_hw", f"at most {LARGEST_SIDE} px", self.input_hw)
        require(math.isfinite(self.sigma_px) and self.sigma_px > 0, "sigma_px", "a positive number", self.sigma_px)
        require(math.isfinite(self.score_odds) and self.score_odds > 0, "score_odds", "a positive number", self.score_odds)
        require(_is_sha256(self.weights_sha256), "weights_sha256", "64 lower-case hexadecimal digits", self.weights_sha256)
        for precision, sha256 in self.variants.items():
            require(precision in VARIANTS, "variants", f"precisions of {', '.join(VARIANTS)}", precision)
            require(_is_sha256(sha256), f"variants, {precision}", "64 lower-case hexadecimal digits", sha256)

    @property
    def heatmap_hw(self) -> tuple[int, int]:
        """Height and width of the heatmaps."""
        return self.input_hw[0] // self.stride, self.input_hw[1] // self.stride

    @property
    def family_label(self) -> str:
        """The family as it is written for people: "HRNet"."""
        return FAMILY_LABELS[self.family]

    @property
    def has_affinity_fields(self) -> bool:
        """Whether the network gives part affinity fields (core/paf.py), along which joints are joined to people."""
        return self.family in _FAMILIES_WITH_FIELDS

    @property
    def one_stage(self) -> bool:
        """Whether the network gives the joints of everybody in the picture by itself, and no heatmaps."""
        return self.family in _ONE_STAGE_FAMILIES

    @property
    def finds_everybody(self) -> bool:
        """Whether one pass over a picture finds the people in it: the mode bottom-up needs that."""
        return self.has_affinity_fields or self.one_stage

    @property
    def border(self) -> int:
        """The grey of what a crop shows of the outside of the picture, 0 to 255, as in the network's training."""
        return 114 if self.one_stage else 0  # YOLOX's and RTMO's pictures are padded so

    @property
    def heatmap_decode(self) -> Decode:
        """The rule by which heatmaps become joints; ModelError for a network whose joints do not come from heatmaps."""
        if self.decode == "simcc" or self.decode == "network":
            raise ModelError(
                f"{self.name}: {self.family_label} does not find joints by heatmaps, so they cannot be averaged. "
                "Leave out --flip and --multi-scale."
            )
        return self.decode

    @property
    def precisions(self) -> frozenset[str]:
        """The precisions that the model has files for: "fp32", and "fp16" and "int8" if there is a file for any processor."""
        return frozenset({"fp32", *(variant.partition("-")[0] for variant in self.variants)})

    def variant(self, precision: str, processor: Processor) -> str | None:
        """The key of ``variants`` for *precision* on *processor*; None where there is none."""
        return next((key for key in (f"{precision}-{processor}", precision) if key in self.variants), None)

    def to_json(self) -> str:
        """The text of model.json."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        content["skeleton"] = self.skeleton.name
        content["input_hw"] = list(self.input_hw)
        content["source"] = dataclasses.asdict(self.source)
        content["metrics"] = dict(self.metrics)
        content["variants"] = dict(self.variants)
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelSpec:
        """The spec in *text*; *where* names the file in errors.

        Raises ModelError on text that is not JSON, on a missing or unknown key (never a default:
        a guessed normalisation or mapping gives poses that are silently wrong) and on a bad value.
        """

        def wrong(what: str) -> ModelError:
            return ModelError(f"{where}: {what}. Export the model again.")

        return cls._from_content(parse_json(text, wrong), where)

    @classmethod
    def _from_content(cls, content: Any, where: str) -> ModelSpec:
        def wrong(what: str) -> ModelError:
            return ModelError(f"{where}: a value has the wrong type ({what}). Export the model again.")

        if not isinstance(content, dict):
            raise ModelError(f"{where}: expected a JSON object. Export the model again.")
        _require_keys(content, {f.name for f in dataclasses.fields(cls)}, where)
        if not isinstance(content["source"], dict):
            raise ModelError(f"{where}: source: expected an object. Export the model again.")
        _require_keys(content["source"], {f.name for f in dataclasses.fields(Source)}, f"{where}, source")
        if not isinstance(content["skeleton"], str) or content["skeleton"] not in SKELETONS:
            known, got = ", ".join(SKELETONS), shortened(content["skeleton"])
            raise ModelError(f"{where}: skeleton: expected one of {known}, got {got}. Export the model again.")
        fields = Fields(content, wrong)
        return cls(
            name=fields.text("name"),
            family=content["family"],  # these three are checked against what is known
            decode=content["decode"],
            mapping=content["mapping"],
            skeleton=SKELETONS[content["skeleton"]],
            input_hw=fields.hw("input_hw"),
            stride=fields.integer("stride"),
            sigma_px=fields.number("sigma_px"),
            score_odds=fields.number("score_odds"),
            parameters=fields.integer("parameters"),
            macs=fields.integer("macs"),
            weights_sha256=fields.text("weights_sha256"),
            source=Source(**fields.texts("source")),
            metrics=fields.numbers("metrics"),
            variants=fields.texts("variants"),
        )

    @classmethod
    def read(cls, path: Path) -> ModelSpec:
        """The spec in the file *path*; ModelError when it cannot be read or is wrong."""

        def wrong(what: str) -> ModelError:
            return ModelError(f"{path}: {what}. Export or fetch the model again.")

        try:
            content = read_json(path, wrong)
        except OSError as error:
            raise wrong(f"cannot be read ({error.strerror})") from None
        return cls._from_content(content, str(path))


def is_name(name: str) -> bool:
    """Whether *name* can be the name of a model: it is shown, and used in the names of files."""
    return 0 < len(name) <= 100 and is_plain(name) and not set(name) & set("/\\") and not name.startswith(".")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _require_keys(content: MappingABC[str, Any], expected: set[str], where: str) -> None:
    missing, unknown = sorted(expected - content.keys()), sorted(content.keys() - expected)
    if missing:
        raise ModelError(f"{where}: missing {', '.join(missing)}. Export the model again.")
    if unknown:
        few = ", ".join(name[:60] for name in unknown[:5])
        raise ModelError(f"{where}: unknown {few}. Export the model again, or update the app.")
