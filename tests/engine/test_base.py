"""What all engines share: checks, closing once, and whose fault an error is."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import dummy_backend
import numpy as np
import pytest
from tiny_model import SPEC

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine import base
from poseapp.engine.base import Backend, BaseEngine, foreign_errors, joined


class Counting(dummy_backend.DummyEngine):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(SPEC)
        self.asked: list[tuple[str, ...]] = []
        self.closings = 0

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        self.asked.append(names)
        return super()._infer(crops, names)

    def _close(self) -> None:
        self.closings += 1


CROPS = np.zeros((2, *SPEC.input_hw, 3), np.uint8)


def test_the_backend_is_asked_once_and_for_no_more_than_is_wanted() -> None:
    engine = Counting()
    assert engine.infer(CROPS).heatmaps is None
    assert engine.infer(CROPS, heatmaps=True).heatmaps is not None
    assert engine.asked == [("keypoints",), ("keypoints", "heatmaps")]


def test_the_backend_is_not_asked_with_wrong_crops_or_when_closed() -> None:
    engine = Counting()
    with pytest.raises(ValueError, match=r"^tiny: expected crops N×64×48×3 uint8, got"):
        engine.infer(CROPS[0])
    engine.close()
    with pytest.raises(EngineError, match=r"^tiny: the engine is closed\.$"):
        engine.infer(CROPS)
    assert engine.asked == []


def test_it_is_closed_once() -> None:
    engine = Counting()
    engine.close()
    engine.close()
    assert engine.closings == 1
    assert (engine.spec, engine.backend.runtime) == (SPEC, "Dummy 1.0")


def test_a_constructor_that_fails_may_close() -> None:
    closed: list[bool] = []

    class Failing(BaseEngine):
        def __init__(self) -> None:
            self.close()
            raise EngineError("no memory")

        def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
            return []

        def _close(self) -> None:
            closed.append(True)

    with pytest.raises(EngineError, match="no memory"):
        Failing()
    assert closed == [True]


def test_a_fallback_is_said_beside_what_runs() -> None:
    engine = Counting()
    engine.note_fallback("the desk is missing")
    assert engine.backend == Backend("Dummy 1.0", "Desk", "FP32", "the desk is missing")


def test_parts_become_one() -> None:
    one = [np.ones((2, 3), np.float32), np.ones((2, 1), np.float32)]
    assert joined([one]) is one
    assert [array.shape for array in joined([one, one, one])] == [(6, 3), (6, 1)]


def fails_an_assertion() -> None:
    engine = types.SimpleNamespace(stream=None)
    assert engine.stream is not None


def misspells_a_name() -> None:
    print(no_such_name)  # type: ignore[name-defined]  # noqa: F821


def misspells_an_attribute() -> None:
    Counting().infr(CROPS)  # type: ignore[attr-defined]


def misses_an_attribute_of_another_library() -> None:
    print(np.no_such_attribute)  # type: ignore[attr-defined]


def gets_none_from_another_library() -> None:
    print(json.loads("null").stream)


@pytest.fixture
def here_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file and its classes count as parts of the project."""
    monkeypatch.setattr(base, "_PACKAGE", Path(__file__).parent)
    monkeypatch.setattr(Counting, "__module__", "poseapp.counting")


@pytest.mark.usefixtures("here_is_ours")
@pytest.mark.parametrize(
    ("mistake", "kind"),
    [
        (fails_an_assertion, AssertionError),
        (misspells_a_name, NameError),
        (misspells_an_attribute, AttributeError),
    ],
)
def test_a_mistake_of_ours_stays_what_it_is(mistake: Callable[[], None], kind: type[Exception]) -> None:
    with pytest.raises(kind), foreign_errors("CUDA"):
        mistake()


@pytest.mark.usefixtures("here_is_ours")
@pytest.mark.parametrize("fault", [misses_an_attribute_of_another_library, gets_none_from_another_library])
def test_what_another_library_lacks_is_told_in_one_line(fault: Callable[[], None]) -> None:
    with pytest.raises(EngineError, match=r"^CUDA failed \(.*\)\. Choose another device\.$"), foreign_errors("CUDA"):
        fault()


@pytest.mark.parametrize("fault", [fails_an_assertion, misspells_a_name])
def test_a_mistake_of_another_library_is_told_in_one_line(fault: Callable[[], None]) -> None:
    with pytest.raises(EngineError, match=r"^CUDA failed \("), foreign_errors("CUDA"):
        fault()


def test_what_is_an_error_of_ours_already_goes_through() -> None:
    with pytest.raises(ModelError, match=r"^as it was$"), foreign_errors("CUDA"):
        raise ModelError("as it was")


def test_what_the_library_logged_last_is_told_too() -> None:
    with pytest.raises(EngineError, match=r"^CUDA failed \(null; error 35\)"), foreign_errors("CUDA", lambda: "error 35"):
        raise TypeError("null")
