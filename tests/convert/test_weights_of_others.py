"""Weights as other programs leave them: prefixes of compiled networks, empty and broken weights; two imports at once."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import published_layouts as published
import pytest
import torch
from torch import Tensor

from poseapp.convert.checkpoints import read_state
from poseapp.convert.importing import ImportOptions, import_file
from poseapp.core.errors import CheckpointError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.model_folder import ModelFolder

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def hourglass() -> State:
    tape = published.Tape(0, gain=0.5)
    with torch.no_grad():
        published.bearpaw(tape, torch.zeros(1, 3, 64, 64), 1, 16)
    return tape.state


@pytest.mark.parametrize(
    "renamed",
    [
        lambda key: f"_orig_mod.{key}",
        lambda key: f"module._orig_mod.{key}",
        lambda key: f"_orig_mod.module.{key}",
        lambda key: f"model._orig_mod.module.{key}",
        lambda key: key.replace("hg.0.", "hg.0._orig_mod."),
    ],
    ids=["compiled", "then wrapped", "wrapped, then compiled", "thrice", "a part compiled"],
)
def test_prefixes_of_compiled_networks_are_stripped(hourglass: State, renamed: Callable[[str], str], tmp_path: Path) -> None:
    torch.save({"state_dict": {renamed(key): value for key, value in hourglass.items()}}, tmp_path / "a.pth")
    assert read_state(tmp_path / "a.pth").keys() == hourglass.keys()


def test_the_counter_of_averaged_weights_does_not_hide_their_prefix(hourglass: State, tmp_path: Path) -> None:
    averaged = {f"module.{key}": value for key, value in hourglass.items()}
    torch.save({**averaged, "n_averaged": torch.tensor(3)}, tmp_path / "a.pth")
    assert read_state(tmp_path / "a.pth").keys() == {*hourglass, "n_averaged"}


def head(state: State) -> str:
    return next(key for key in state if key.startswith("score.") and key.endswith(".weight"))


def changed(state: State, key: str, value: float) -> State:
    out = {k: v.clone() for k, v in state.items()}
    out[key].view(-1)[0] = value
    return out


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda s: {k: torch.zeros_like(v) for k, v in s.items()}, "expected trained weights, got zeros alone"),
        (lambda s: changed(s, head(s), float("nan")), "score.0.weight: expected finite numbers, got NaN"),
        (lambda s: changed(s, head(s), float("-inf")), "score.0.weight: expected finite numbers, got NaN or infinity"),
        (lambda s: {k: torch.full_like(v, torch.nan) if v.is_floating_point() else v for k, v in s.items()}, "expected finite"),
        (lambda s: {**s, head(s): torch.zeros_like(s[head(s)])}, "depend on the picture, got the same for every one"),
        (lambda s: {**s, head(s): s[head(s)].to(torch.complex64)}, "expected plain numbers"),
        (lambda s: {**s, head(s): s[head(s)].to_sparse()}, "expected plain numbers"),
        (lambda s: {k: v * 1e30 if v.is_floating_point() else v for k, v in s.items()}, "weights are damaged|weights are empty"),
    ],
    ids=["zeros", "one nan", "one infinity", "all nan", "empty head", "complex", "sparse", "huge"],
)
def test_weights_that_are_none_are_refused(hourglass: State, spoil: Callable[[State], State], says: str, tmp_path: Path) -> None:
    torch.save(spoil(hourglass), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=says) as caught:
        import_file(tmp_path / "a.pth", "hourglass-1", "mine", tmp_path / "store", ImportOptions((64, 64)))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "store").glob("*")) == []


def _import(path: Path, store: Path, begin: object, told: object) -> None:
    begin.wait()  # type: ignore[attr-defined]
    try:
        import_file(path, "hourglass-1", "mine", store, ImportOptions((64, 64)))
        told.put("")  # type: ignore[attr-defined]
    except ModelError as error:
        told.put(str(error))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_of_two_imports_of_one_name_one_is_told(hourglass: State, tmp_path: Path) -> None:
    torch.save(hourglass, tmp_path / "a.pth")
    context = multiprocessing.get_context("spawn")
    begin, told = context.Barrier(2), context.Queue()
    both = [context.Process(target=_import, args=(tmp_path / "a.pth", tmp_path / "store", begin, told)) for _ in range(2)]
    for process in both:
        process.start()
    said = sorted(told.get(timeout=100) for _ in both)
    for process in both:
        process.join()
    assert said[0] == ""
    assert "a model of this name is" in said[1]
    assert [p.name for p in (tmp_path / "store").iterdir()] == ["mine"]
    ModelSpec.read(tmp_path / "store" / "mine" / "model.json")


def test_a_name_is_made_by_one_at_a_time(tmp_path: Path) -> None:
    with ModelFolder(tmp_path / "mine").made_anew(replace=False) as first:
        (first.path / "model.json").write_text("first")
        with pytest.raises(ModelError, match="being made right now"), ModelFolder(tmp_path / "mine").made_anew():
            pass
        with ModelFolder(tmp_path / "other").made_anew():
            pass
    assert (tmp_path / "mine" / "model.json").read_text() == "first"
    with pytest.raises(ModelError, match="exists already"), ModelFolder(tmp_path / "mine").made_anew(replace=False):
        pass
    with ModelFolder(tmp_path / "mine").made_anew() as second:
        (second.path / "model.json").write_text("second")
    assert (tmp_path / "mine" / "model.json").read_text() == "second"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "other"]


def test_a_damaged_file_is_one_line_whatever_torch_raises(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.ones(3, 3)}, file, _use_new_zipfile_serialization=False)
    for cut in range(0, len(file.getvalue()), 7):
        (tmp_path / "a.pth").write_bytes(file.getvalue()[:cut])
        with pytest.raises(CheckpointError) as caught:
            read_state(tmp_path / "a.pth")
        assert "\n" not in str(caught.value)
