"""TensorRT's plans as files: when one is used, when it is built again, and which ones are pruned."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model
from tiny_plans import GPU, Heard, ensure, key_of, write_plan

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.tensorrt import library
from poseapp.engine.tensorrt.plans import (
    PlanKey,
    PlanRequest,
    Shapes,
    info_path,
    plans_dir,
    precision_for,
    prune,
    read_info,
    record_verified,
    reject,
    stale_because,
)

pytestmark = pytest.mark.skipif(library.tensorrt() is None, reason="TensorRT is not installed: pip install tensorrt-rtx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.write_model(tmp_path / "engines" / "tiny")


@pytest.fixture
def spec(folder: Path) -> ModelSpec:
    return ModelSpec.read(folder / "model.json")


def test_a_plan_that_is_there_is_used_and_not_built(folder: Path) -> None:
    first = ensure(folder)
    heard = Heard()
    again = ensure(folder, progress=heard)
    assert again.built_because == ""
    assert heard.texts == []
    assert (again.content, again.info) == (first.content, first.info)


def test_what_it_was_made_for_can_be_read(folder: Path, spec: ModelSpec) -> None:
    plan = ensure(folder)
    key = json.loads(info_path(plan.path).read_text(encoding="utf-8"))["key"]
    trt = library.tensorrt()
    assert key == {
        "onnx_sha256": spec.weights_sha256,
        "runtime": f"TensorRT-RTX {trt.__version__}",
        "gpu": "NVIDIA GeForce RTX 3060",
        "compute": "8.6",
        "driver": "580.65.06",
        "precision": "fp32",
        "input_hw": [64, 48],
        "profiles": [{"smallest": 1, "tuned": 1, "largest": 1}],
        "flags": ["strongly typed", "no TF32", "user allocation"],
    }


CHANGES: dict[str, tuple[Callable[[PlanKey], PlanKey], str]] = {
    "model": (lambda k: replace(k, onnx_sha256="ab" * 32), "the model changed from abababab… to "),
    "tensorrt": (lambda k: replace(k, runtime="TensorRT-RTX 1.0"), "TensorRT changed from TensorRT-RTX 1.0 to TensorRT-RTX "),
    "gpu": (lambda k: replace(k, gpu="NVIDIA RTX A2000"), "the GPU changed from NVIDIA RTX A2000 to NVIDIA GeForce RTX 3060"),
    "compute": (lambda k: replace(k, compute="7.5"), "the compute capability changed from 7.5 to 8.6"),
    "driver": (lambda k: replace(k, driver="570.1"), "the driver changed from 570.1 to 580.65.06"),
    "precision": (lambda k: replace(k, precision="fp16"), "the precision changed from fp16 to fp32"),
    "size": (lambda k: replace(k, input_hw=(256, 192)), "the input size changed from 256, 192 to 64, 48"),
    "profile": (
        lambda k: replace(k, profiles=(Shapes(1, 2, 4),)),
        "the shape profile changed from 1–4 tuned for 2 to 1–1 tuned for 1",
    ),
    "flags": (lambda k: replace(k, flags=("none",)), "the builder flags changed from none to strongly typed, no TF32"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_differs_is_a_reason_to_build(what: str, folder: Path, spec: ModelSpec) -> None:
    change, text = CHANGES[what]
    key = key_of(folder)
    path = write_plan(folder, key)
    assert stale_because(path, key) == ""
    write_plan(folder, change(key), path)
    assert stale_because(path, key).startswith(text)
    assert "\n" not in stale_because(path, key)


def test_a_new_driver_builds_again_and_says_so(folder: Path) -> None:
    ensure(folder)
    heard = Heard()
    plan = ensure(folder, gpu=replace(GPU, driver="590.1"), progress=heard)
    assert plan.built_because == "the driver changed from 580.65.06 to 590.1"
    assert "building tiny FP32: the driver changed from 580.65.06 to 590.1" in heard.texts
    assert read_info(plan.path).key.driver == "590.1"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, "it is truncated (expected "),
        (flip_a_byte, "it is damaged (expected SHA-256 "),
        (lambda path: path.unlink(), "the file is gone"),
        (lambda path: info_path(path).unlink(), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is missing"),
        (lambda path: info_path(path).write_text("{"), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is damaged"),
        (lambda path: info_path(path).write_text('{"key": 1}'), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is damaged"),
    ],
)
def test_a_spoilt_plan_is_built_again(spoil: Callable[[Path], None], reason: str, folder: Path, spec: ModelSpec) -> None:
    key = key_of(folder)
    path = ensure(folder).path
    spoil(path)
    again = ensure(folder)
    assert again.built_because.startswith(reason)
    assert stale_because(path, key) == ""


def test_a_rejected_plan_is_not_built_again_unless_asked(folder: Path) -> None:
    plan = ensure(folder)
    reject(plan, "tiny FP32: rejected: its joints are 3.20 px from ONNX Runtime's.")
    assert not plan.path.exists()
    with pytest.raises(EngineError, match=r"3\.20 px from ONNX Runtime's\. Build it again with: poseapp models build tiny"):
        ensure(folder)
    assert ensure(folder, rebuild=True).built_because == "asked for"
    assert ensure(folder).built_because == ""


def test_the_check_is_written_down(folder: Path) -> None:
    plan = ensure(folder)
    record_verified(plan, 0.03)
    again = ensure(folder)
    assert (again.built_because, again.info.difference_px) == ("", 0.03)


def test_a_file_that_is_not_the_models_is_not_built(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"model\.onnx: expected SHA-256 "):
        ensure(folder)


def test_a_precision_the_model_does_not_have_says_how_to_make_it(folder: Path, spec: ModelSpec) -> None:
    convert = r"Make one with: poseapp models convert tiny --precision"
    with pytest.raises(ModelError, match=rf"^tiny has no FP16 file\. {convert} fp16$"):
        PlanRequest(folder, spec, "fp16", 1, GPU).key()
    with pytest.raises(ModelError, match=rf"^tiny has no INT8 file\. {convert} int8 --images DIR$"):
        PlanRequest(folder, spec, "int8", 1, GPU).key()


def test_fp16_is_the_choice_where_the_model_has_it(spec: ModelSpec) -> None:
    assert precision_for(spec) == "fp32"
    assert precision_for(replace(spec, variants={"int8": "0" * 64})) == "fp32"
    assert precision_for(replace(spec, variants={"fp16": "0" * 64})) == "fp16"
    assert precision_for(spec, "int8") == "int8"
    with pytest.raises(EngineError, match=r"^tiny: precision: expected one of fp32, fp16, int8, got 'fp8'"):
        precision_for(spec, "fp8")


@pytest.mark.parametrize("batch", [0, 9])
def test_batches_outside_the_range_are_refused(batch: int, folder: Path) -> None:
    with pytest.raises(EngineError, match=rf"^tiny: batch: expected 1 to 8, got {batch}\.$"):
        ensure(folder, batch=batch)


def test_a_full_or_broken_disk_is_one_line(open_place: Path) -> None:
    folder, blocked = tiny_model.write_model(open_place / "engines" / "tiny"), open_place / "file"
    blocked.write_text("not a folder")
    with not_writable(folder), pytest.raises(EngineError, match=r"the plan cannot be written or read \(.+\)\. Free some space"):
        ensure(folder, cache_dir=blocked)


class not_writable:  # noqa: N801  # reads as a with statement
    """*folder* cannot be written, neither by its owner nor, where the system lets us, by root."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._uid = folder, os.geteuid() if hasattr(os, "geteuid") else -1

    def __enter__(self) -> None:
        self._folder.chmod(0o555)
        if self._uid == 0:  # root may write everywhere: be somebody else for a moment
            for parent in self._folder.parents:
                if parent.stat().st_mode & 0o005 != 0o005:
                    parent.chmod(parent.stat().st_mode | 0o055)
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if self._uid == 0:
            os.seteuid(0)
        self._folder.chmod(0o755)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that others may read; pytest closes its own to them whenever another run of it begins on the machine."""
    with tempfile.TemporaryDirectory(prefix="poseapp-test-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.mark.skipif(os.name == "nt", reason="folders are made read-only in another way there")
def test_the_users_cache_serves_where_the_models_folder_cannot_be_written(open_place: Path) -> None:
    folder, open_cache = tiny_model.write_model(open_place / "engines" / "tiny"), open_place / "cache"
    open_cache.mkdir()
    open_cache.chmod(0o777)
    with not_writable(folder):
        place = plans_dir(folder, open_cache)
        first = ensure(folder, cache_dir=open_cache)
        again = ensure(folder, cache_dir=open_cache)
    assert place.parent == open_cache
    assert place.name.startswith("tiny-")
    assert first.path.parent == place
    assert (first.built_because, again.built_because) == ("there is none yet", "")
    assert not list(folder.glob("nvidia*"))
    assert plans_dir(folder, open_cache) == folder


def test_prune_takes_what_nothing_can_use(folder: Path, spec: ModelSpec, tmp_path: Path) -> None:
    key = key_of(folder)
    cache = tmp_path / "cache"
    (cache / "gone-12345678").mkdir(parents=True)
    good = write_plan(folder, key)
    made = {
        "old driver": write_plan(folder, replace(key, driver="500.1"), folder / "a.plan"),
        "old model": write_plan(folder, replace(key, onnx_sha256="0" * 64), folder / "b.plan"),
        "old TensorRT": write_plan(folder, replace(key, runtime="TensorRT-RTX 0.9"), folder / "c.plan"),
        "other GPU": write_plan(folder, replace(key, gpu="NVIDIA RTX A2000"), folder / "d.plan"),
        "model gone": write_plan(folder, key, cache / "gone-12345678" / "e.plan"),
    }
    (folder / "f.plan").write_bytes(b"nothing says what this is")
    killed, fresh = folder / "g.plan.x1.tmp", folder / "h.plan.x2.tmp"
    for file in (killed, fresh):
        file.write_bytes(b"half")
    os.utime(killed, (1e9, 1e9))
    removed = prune([(folder, spec)], GPU, cache_dir=cache)
    why = {one.path.name: one.because for one in removed if one.path.suffix != ".json"}
    assert why == {
        "a.plan": "made for NVIDIA GeForce RTX 3060 with driver 500.1",
        "b.plan": "its model changed",
        "c.plan": f"made by TensorRT-RTX 0.9, {key.runtime} is installed",
        "d.plan": "made for NVIDIA RTX A2000 with driver 580.65.06",
        "e.plan": "its model is gone",
        "f.plan": "nothing says what it was made for",
        "g.plan.x1.tmp": "left over from a build that did not end",
    }
    for path in made.values():
        assert not path.exists()
        assert not info_path(path).exists()
    assert good.exists()
    assert info_path(good).exists()
    assert fresh.exists()
    assert sum(one.nbytes for one in removed if one.path.name == "a.plan") == len(b"a plan")
    assert prune([(folder, spec)], GPU, cache_dir=cache) == []


def test_prune_without_a_gpu_keeps_what_it_cannot_judge(folder: Path, spec: ModelSpec, tmp_path: Path) -> None:
    key = key_of(folder)
    kept = write_plan(folder, replace(key, driver="500.1"))
    assert prune([(folder, spec)], None, cache_dir=tmp_path / "none") == []
    assert kept.exists()
    assert len(prune([(folder, spec)], None, everything=True, cache_dir=tmp_path / "none")) == 2
    assert not kept.exists()
    assert (folder / "model.onnx").exists()
