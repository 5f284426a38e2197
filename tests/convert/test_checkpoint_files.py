"""Reading files: wrappers and prefixes, what is refused, and what a user is told about a file that does not fit."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import published_layouts as published
import pytest
import torch
from torch import Tensor
from torch_side import numbers

from poseapp.convert.checkpoints import ARCHS, fitting, load, read_state
from poseapp.core.errors import CheckpointError
from poseapp.core.skeleton import LSP_14, MPII_16


@pytest.fixture(scope="module")
def hourglass() -> dict[str, Tensor]:
    tape = published.Tape(0)
    with torch.no_grad():
        published.bearpaw(tape, torch.zeros(1, 3, 64, 64), 1, 16)
    return tape.state


@pytest.fixture(scope="module")
def hrnet_backbone() -> dict[str, Tensor]:
    tape = published.Tape(0)
    with torch.no_grad():
        published.hrnet(tape, torch.zeros(1, 3, 64, 64), 32, 17, with_head=False)
    tape.state["classifier.weight"] = torch.zeros(10, 2048)
    return tape.state


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def message(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: prefixed(s, "module."),
        lambda s: {"state_dict": prefixed(s, "module."), "epoch": 3, "arch": "hg", "best_acc": np.float64(0.9)},
        lambda s: {"state_dict": prefixed(s, "model.module."), "optimizer": {"state": {}, "param_groups": []}},
        lambda s: {"model": s, "meta": {"sigmas": np.arange(3.0, dtype=np.float32), "classes": ["person"]}},
        lambda s: {"network": {"state_dict": {k: v.half() if v.is_floating_point() else v for k, v in s.items()}}},
    ],
    ids=["plain", "module", "training state", "trainer", "numpy beside it", "nested and half"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_wrappers_and_prefixes_come_off(wrap, zipped: bool, hourglass: dict[str, Tensor], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    torch.save(wrap(hourglass), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    loaded = load(read_state(tmp_path / "a.pth"), ARCHS["hourglass-1"], "a.pth")
    assert loaded.layout.name == "bearpaw"
    assert loaded.extra == ()
    for key, value in loaded.weights.items():
        torch.testing.assert_close(torch.from_numpy(value), hourglass[loaded.layout.key(key)], rtol=1e-3, atol=1e-3)


def test_a_log_of_mmengine_is_passed_over(hourglass: dict[str, Tensor], tmp_path: Path) -> None:
    import sys
    import types

    module = types.ModuleType("mmengine.logging.history_buffer")
    history = type("HistoryBuffer", (), {"__module__": module.__name__, "__init__": lambda self: setattr(self, "a", [1])})
    module.HistoryBuffer = history  # type: ignore[attr-defined]
    parents = {name: types.ModuleType(name) for name in ("mmengine", "mmengine.logging")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**parents, module.__name__: module}.items():
            patch.setitem(sys.modules, name, value)
        torch.save({"state_dict": hourglass, "message_hub": {"loss": history()}}, tmp_path / "a.pth")
    assert read_state(tmp_path / "a.pth").keys() == hourglass.keys()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_is_refused_and_not_run(zipped: bool, hourglass: dict[str, Tensor], tmp_path: Path) -> None:
    target = tmp_path / "was-here"

    class Code:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (exec, (f"open({str(target)!r}, 'w').close()",))

    torch.save({"state_dict": hourglass, "hook": Code()}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="Python code") as error:
        read_state(tmp_path / "a.pth")
    assert "exec" in message(error)
    assert not target.exists()


def _zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", b"\x80\x02", pickle.dumps({"a": 1}), _zip_of("readme.txt", b"hello"), b"PK\x03\x04" + b"\0" * 50],
    ids=["empty", "html", "cut pickle", "no tensors", "another zip", "cut zip"],
)
def test_what_is_no_checkpoint_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        read_state(tmp_path / "a.pth")
    assert str(tmp_path / "a.pth") in message(error)


def test_a_cut_file_and_no_file(hourglass: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(hourglass, tmp_path / "a.pth")
    whole = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        read_state(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        read_state(tmp_path / "b.pth")


def test_the_wrong_arch_is_told_with_names_and_the_right_one(hourglass: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError) as error:
        load(numbers(hourglass), ARCHS["hrnet-w32"], "a.pth")
    text = message(error)
    assert "expected hrnet-w32" in text
    assert "missing" in text
    assert "unexpected conv1.bias, fc.0.0.bias" in text
    assert "conv1.weight expected 64×3×3×3, got 64×3×7×7" in text
    assert "It fits --arch hourglass-1." in text


def test_the_wrong_width_is_told_with_shapes(hrnet_backbone: dict[str, Tensor]) -> None:
    state = {**hrnet_backbone, "final_layer.weight": torch.zeros(17, 32, 1, 1), "final_layer.bias": torch.zeros(17)}
    with pytest.raises(CheckpointError) as error:
        load(numbers(state), ARCHS["hrnet-w48"], "a.pth")
    assert "transition1.0.0.weight expected 48×256×3×3, got 32×256×3×3" in message(error)
    assert "It fits --arch hrnet-w32." in message(error)
    assert fitting(numbers(state)) == ["hrnet-w32"]


def test_a_missing_head_is_a_backbone_to_train_on(hrnet_backbone: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="without its last layer") as error:
        load(numbers(hrnet_backbone), ARCHS["hrnet-w32"], "a.pth")
    assert "final_layer.weight" in message(error)
    loaded = load(numbers(hrnet_backbone), ARCHS["hrnet-w32"], "a.pth", need_head=False)
    assert np.array_equal(loaded.weights["conv1.weight"], hrnet_backbone["conv1.weight"])
    assert not loaded.weights["final_layer.weight"].any()
    assert loaded.extra == ("classifier.weight",)


def test_one_missing_weight_is_not_a_missing_head(hourglass: dict[str, Tensor]) -> None:
    state = {k: v for k, v in hourglass.items() if k != "hg.0.hg.2.1.0.conv2.bias"}
    with pytest.raises(
        CheckpointError, match=r"missing hg\.0\.hg\.2\.1\.0\.conv2\.bias; |missing hg\.0\.hg\.2\.1\.0\.conv2\.bias\."
    ):
        load(numbers(state), ARCHS["hourglass-1"], "a.pth", need_head=False)


def test_old_files_without_batchnorm_counters(hourglass: dict[str, Tensor]) -> None:
    state = {k: v for k, v in hourglass.items() if not k.endswith("num_batches_tracked")}
    assert load(numbers(state), ARCHS["hourglass-1"], "a.pth").extra == ()


def test_the_number_of_joints_tells_the_skeleton(hourglass: dict[str, Tensor]) -> None:
    loaded = load(numbers(hourglass), ARCHS["hourglass-1"], "a.pth")
    assert loaded.joints == 16
    assert loaded.skeleton() is MPII_16
    with pytest.raises(CheckpointError, match="mpii-16"):
        loaded.skeleton("coco-17")
    state = {**hourglass, "score.0.weight": torch.zeros(14, 256, 1, 1), "score.0.bias": torch.zeros(14)}
    with pytest.raises(CheckpointError, match=r"known order.*lsp-14"):
        load(numbers(state), ARCHS["hourglass-1"], "a.pth").skeleton()
    assert load(numbers(state), ARCHS["hourglass-1"], "a.pth").skeleton("lsp-14") is LSP_14


def test_names_of_our_hourglass_stay() -> None:
    """Trainings under way hold these names in their checkpoints."""
    from poseapp.nets.hourglass import StackedHourglass

    names = {key.split(".")[0] for key in StackedHourglass(2, features=8, stem=4).state_dict()}
    stem = {"stem_conv", "stem_bn", "stem_residual1", "stem_residual2", "stem_residual3"}
    assert names == stem | {"hourglasses", "residuals", "linears", "heads", "remap_features", "remap_heatmaps"}
