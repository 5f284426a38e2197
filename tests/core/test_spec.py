"""model.json: there and back, and every way in which it can be wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

import pytest

from poseapp.core.errors import ModelError
from poseapp.core.skeleton import COCO_17
from poseapp.core.spec import FAMILIES, ModelSpec, Source

SPEC = ModelSpec(
    name="some-model",
    family="hourglass",
    skeleton=COCO_17,
    input_hw=(256, 192),
    stride=4,
    decode="dark",
    mapping="udp",
    sigma_px=2.0,
    weights_sha256="ab" * 32,
    parameters=3,
    macs=5,
    source=Source("p", "d", "l", "u"),
    metrics={"ap": 0.5},
    variants={"int8": "cd" * 32},
)


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(SPEC.to_json()), **values})


def without(key: str) -> str:
    content = json.loads(SPEC.to_json())
    del content[key]
    return json.dumps(content)


def test_round_trip() -> None:
    assert ModelSpec.from_json(SPEC.to_json(), "here") == SPEC
    assert SPEC.heatmap_hw == (64, 48)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_label_and_says_what_it_can_do(family: Any) -> None:
    spec = dataclasses.replace(SPEC, family=family, decode="network" if family == "rtmo" else SPEC.decode)
    assert spec.family_label.lower() == family
    assert spec.has_affinity_fields == (family == "openpose")
    assert spec.one_stage == (family == "rtmo")
    assert spec.finds_everybody == (family in ("openpose", "rtmo"))
    assert spec.border == (114 if family == "rtmo" else 0)


@pytest.mark.parametrize(
    ("family", "decode"), [("rtmo", "quarter"), ("rtmo", "simcc"), ("rtmpose", "network"), ("hrnet", "network")]
)
def test_joints_of_the_network_and_one_stage_go_together(family: Any, decode: Any) -> None:
    with pytest.raises(ModelError, match="network"):
        dataclasses.replace(SPEC, family=family, decode=decode)


def test_only_heatmaps_have_a_rule_that_makes_joints_of_them() -> None:
    assert dataclasses.replace(SPEC, decode="dark").heatmap_decode == "dark"
    for family, decode in (("rtmpose", "simcc"), ("rtmo", "network")):
        with pytest.raises(ModelError, match="does not find joints by heatmaps"):
            _ = dataclasses.replace(SPEC, family=cast(Any, family), decode=cast(Any, decode)).heatmap_decode


@pytest.mark.parametrize("key", sorted(json.loads(SPEC.to_json())))
def test_a_missing_key_is_an_error_and_never_a_default(key: str) -> None:
    with pytest.raises(ModelError, match=rf"^here: missing {key}\. Export"):
        ModelSpec.from_json(without(key), "here")


@pytest.mark.parametrize("key", ["paper", "data", "licence", "url"])
def test_a_missing_key_of_the_source_is_an_error(key: str) -> None:
    source = {k: v for k, v in json.loads(SPEC.to_json())["source"].items() if k != key}
    with pytest.raises(ModelError, match=rf"^here, source: missing {key}"):
        ModelSpec.from_json(changed(source=source), "here")


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"^here: unknown colour_order\. Export the model again, or update the app\.$"):
        ModelSpec.from_json(changed(colour_order="rgb"), "here")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "yolo"}, "family: expected one of hourglass"),
        ({"family": ["hourglass"]}, "family: expected"),
        ({"skeleton": "coco-133"}, "skeleton: expected one of coco-17"),
        ({"skeleton": ["coco-17"]}, "skeleton: expected one of coco-17"),
        ({"decode": "soft"}, "decode: expected"),
        ({"mapping": "align"}, "mapping: expected"),
        ({"input_hw": [256, 190]}, "input_hw: expected two multiples of the stride 4"),
        ({"input_hw": [256]}, "wrong type"),
        ({"input_hw": [0, 192]}, "input_hw: expected"),
        ({"input_hw": [-256, 192]}, "input_hw: expected"),
        ({"input_hw": None}, "wrong type"),
        ({"stride": 0}, "input_hw: expected"),
        ({"stride": "four"}, "wrong type"),
        ({"stride": float("inf")}, "wrong type"),
        ({"sigma_px": 0}, "sigma_px: expected a positive number"),
        ({"sigma_px": float("nan")}, "sigma_px: expected a positive number"),
        ({"weights_sha256": "AB" * 32}, "weights_sha256: expected 64"),
        ({"weights_sha256": "ab"}, "weights_sha256: expected 64"),
        ({"name": "../other"}, "name: expected a name without a slash"),
        ({"name": ""}, "name: expected"),
        ({"metrics": None}, "wrong type"),
        ({"metrics": {"ap": "good"}}, "wrong type"),
        ({"score_odds": 0}, "score_odds: expected a positive number, got 0"),
        ({"variants": None}, "wrong type"),
        ({"variants": {"int4": "ab" * 32}}, "variants: expected precisions of fp16, int8-cpu, int8-gpu, int8, got 'int4'"),
        ({"variants": {"int8": "ab"}}, "variants, int8: expected 64 lower-case hexadecimal digits, got 'ab'"),
        ({"source": "a paper"}, "source: expected an object"),
        ({"parameters": None}, "wrong type"),
    ],
)
def test_a_bad_value_is_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        ModelSpec.from_json(changed(**values), "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"text"'])
def test_what_is_no_json_object_is_an_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"^here: "):
        ModelSpec.from_json(text, "here")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json: cannot be read \(No such file or directory\)\. Export or fetch"):
        ModelSpec.read(tmp_path / "model.json")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ModelError, match=r"model\.json: not UTF-8 text"):
        ModelSpec.read(tmp_path / "model.json")
