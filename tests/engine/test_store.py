"""The model store: what is in it, and each way in which a model can be broken."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from tiny_model import Flaws, write_model

from poseapp import resources
from poseapp.core.errors import EngineError, ModelError
from poseapp.engine import backends
from poseapp.engine.backends import device_labels, unavailable
from poseapp.engine.load import load_engine
from poseapp.engine.store import find_model, is_own, list_models, remove


def edit_spec(folder: Path, **values: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_models_are_listed_by_name_and_broken_ones_say_why(tmp_path: Path) -> None:
    write_model(tmp_path / "b")
    write_model(tmp_path / "a")
    write_model(tmp_path / "c")
    (tmp_path / "c" / "model.json").write_text("{}")
    (tmp_path / "no model").mkdir()
    models = list_models(tmp_path)
    assert [m.name for m in models] == ["a", "b", "c"]
    assert [m.spec is None for m in models] == [False, False, True]
    assert models[2].error.startswith(f"{tmp_path / 'c' / 'model.json'}: missing decode, ")
    assert models[0].error == ""


def test_a_model_of_the_store_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        write_model(tmp_path / "store" / name)
    write_model(tmp_path / "elsewhere")
    assert is_own(tmp_path / "store", tmp_path / "store" / "mine")
    remove(tmp_path / "store", tmp_path / "store" / "mine")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["other"]
    with pytest.raises(ModelError, match="Only your own models can be removed"):
        remove(tmp_path / "store", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "model.json").exists()
    with pytest.raises(ModelError, match="cannot be removed"):
        remove(tmp_path / "store", tmp_path / "store" / "mine")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["other"]


def test_a_bundled_model_is_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "bundled" / "ours")
    write_model(tmp_path / "own" / "mine")
    monkeypatch.setattr(resources, "bundled_engines_dir", lambda: tmp_path / "bundled")
    monkeypatch.setattr(resources, "own_engines_dir", lambda: tmp_path / "own")
    for store in ("own", "bundled"):  # one store, whichever of the two is named
        assert not is_own(tmp_path / store, tmp_path / "bundled" / "ours")
        assert is_own(tmp_path / store, tmp_path / "own" / "mine")
        with pytest.raises(ModelError, match="comes with the app"):
            remove(tmp_path / store, tmp_path / "bundled" / "ours")
    assert (tmp_path / "bundled" / "ours" / "model.json").exists()


def test_the_bundled_model_is_whole(repo_root: Path) -> None:
    for model in list_models(repo_root / "engines"):
        assert model.spec is not None, model.error
        load_engine(model.folder, "cpu", threads=1).close()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere: no such folder\. Give a model store with --engines-dir\.$"):
        list_models(tmp_path / "nowhere")


def test_an_empty_store_has_no_default(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no usable model\. Train or fetch one"):
        find_model(tmp_path, None)


def test_the_default_is_the_bundled_one_where_there_is_one(tmp_path: Path) -> None:
    write_model(tmp_path / "a")
    assert find_model(tmp_path, None).name == "a"
    write_model(tmp_path / "hourglass-s")
    assert find_model(tmp_path, None).name == "hourglass-s"


def test_the_default_on_a_gpu_is_the_larger_one(tmp_path: Path) -> None:
    for name in ("a", "hourglass-s"):
        write_model(tmp_path / name)
    assert find_model(tmp_path, None, "tensorrt").name == "hourglass-s"
    write_model(tmp_path / "hourglass-l")
    chosen = {device: find_model(tmp_path, None, device).name for device in device_labels()}
    gpus = {device: not unavailable(device) for device in ("cuda", "tensorrt")}
    serves = {"auto": any(gpus.values()), "cpu": False, "openvino": False, **gpus}  # whoever asks for a GPU in vain gets the CPU
    assert chosen == {device: "hourglass-l" if gpu else "hourglass-s" for device, gpu in serves.items()}
    assert find_model(tmp_path, "a", "cuda").name == "a"


@pytest.mark.parametrize("there", ["cuda", "tensorrt"])
def test_only_a_gpu_that_serves_gets_the_larger_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    monkeypatch.setattr(backends, "unavailable", lambda device: "" if device in (there, "cpu") else f"no {device} here")
    for name in ("hourglass-l", "hourglass-s"):
        write_model(tmp_path / name)
    on_gpu = {device for device in device_labels() if find_model(tmp_path, None, device).name == "hourglass-l"}
    assert on_gpu == {"auto", there}


def test_a_default_is_never_a_broken_model(tmp_path: Path) -> None:
    write_model(tmp_path / "hourglass-s")
    (tmp_path / "hourglass-s" / "model.json").write_text("{}")
    write_model(tmp_path / "z")
    assert find_model(tmp_path, None).name == "z"


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write_model(tmp_path / "a")
    write_model(tmp_path / "b")
    with pytest.raises(ModelError, match=r"^model 'x': not in .*\. There are: a, b\.$"):
        find_model(tmp_path, "x")


def test_asking_for_a_broken_model_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    edit_spec(write_model(tmp_path / "a"), stride=0)
    with pytest.raises(ModelError, match="input_hw: expected two multiples of the stride 0"):
        find_model(tmp_path, "a")


def test_no_weights(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be read \(No such file or directory\)\. Export or fetch"):
        load_engine(folder)


def test_truncated_weights(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    os.truncate(folder / "model.onnx", 700)
    with pytest.raises(ModelError, match=r"model\.onnx: expected SHA-256 [0-9a-f]{12}…, got [0-9a-f]{12}…\. The file is damaged"):
        load_engine(folder)


def test_weights_of_another_model(tmp_path: Path) -> None:
    folder, other = write_model(tmp_path / "a"), write_model(tmp_path / "b", Flaws(joints=17))
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"belongs to another model\.json"):
        load_engine(folder)


def test_weights_that_are_no_graph_but_have_the_right_hash(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    (folder / "model.onnx").write_bytes(b"no graph")
    edit_spec(folder, weights_sha256=hashlib.sha256(b"no graph").hexdigest())
    with pytest.raises(
        EngineError, match=r"model\.onnx: ONNX Runtime cannot load it \(.*\)\. Export or fetch it again\.$"
    ) as caught:
        load_engine(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flaws", "message"),
    [
        (Flaws(input_name="pictures"), r"expected input crops N×64×48×3 .* got \{'pictures'"),
        (Flaws(input_hw=(48, 64)), r"expected input crops N×64×48×3 .* got \{'crops': \[48, 64, 3\]\}"),
        (Flaws(heatmaps=False), r"outputs keypoints, heatmaps; got .*\['keypoints'\]"),
        (Flaws(joints=17), r"expected keypoints and heatmaps of \(1, 16, 3\) and \(1, 16, 16, 12\), got \(1, 17, 3\)"),
    ],
    ids=["input name", "input size", "no heatmaps", "other joints"],
)
def test_a_graph_that_is_not_what_the_spec_says(tmp_path: Path, flaws: Flaws, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        load_engine(write_model(tmp_path / "a", flaws))


def test_a_stride_that_is_not_the_graphs(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    edit_spec(folder, stride=8)
    with pytest.raises(EngineError, match=r"expected keypoints and heatmaps .*\(1, 16, 8, 6\), got .*\(1, 16, 16, 12\)"):
        load_engine(folder)


def test_an_unknown_device(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^device 'tpu': expected one of auto, cpu"):
        load_engine(write_model(tmp_path / "a"), "tpu")
