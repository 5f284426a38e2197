"""Comparing engines on the stored crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fakes
import numpy as np
import pytest

from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, Output
from poseapp.engine.comparator import difference_px, sample_crops
from poseapp.engine.onnxruntime import OrtEngine


class Given:
    """An engine that answers with the rows of *keypoints* (32, K, 3), crop by crop."""

    def __init__(self, keypoints: FloatArray) -> None:
        self.spec: ModelSpec = replace(fakes.SPEC, input_hw=(64, 48))
        self.backend = Backend("given", "none", "FP32")
        self._keypoints, self._next = keypoints, 0

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        n = len(crops)
        self._next += n
        return Output(self._keypoints[self._next - n : self._next])

    def close(self) -> None:
        pass


def random_keypoints(score: float) -> FloatArray:
    keypoints = np.random.default_rng(1).uniform(0, 48, (32, 17, 3)).astype(np.float32)
    keypoints[..., 2] = score
    return keypoints


@pytest.mark.parametrize("hw", [(256, 192), (192, 144), (256, 256), (64, 48), (96, 128)])
def test_there_are_32_different_crops_of_the_models_size(hw: tuple[int, int]) -> None:
    crops = sample_crops(hw)
    assert crops.shape == (32, *hw, 3)
    assert crops.dtype == np.uint8
    assert len({crop.tobytes() for crop in crops}) == 32
    np.testing.assert_array_equal(crops, sample_crops(hw))


def test_the_bundled_model_sees_a_person_in_most_of_them(repo_root: Path) -> None:
    folder = repo_root / "engines" / "hourglass-s"
    engine = OrtEngine(folder / "model.onnx", ModelSpec.read(folder / "model.json"), 1)
    seen = engine.infer(sample_crops(engine.spec.input_hw)).keypoints[..., 2] >= 0.2
    engine.close()
    assert np.count_nonzero(seen.sum(axis=1) >= 5) >= 20


def test_the_difference_is_the_mean_distance_of_joints_that_are_seen() -> None:
    trusted = random_keypoints(0.9)
    trusted[:, 3:, 2] = 0.1
    moved = trusted.copy()
    moved[:16, :, 0] += 3
    moved[:16, :, 1] -= 4
    moved[:, 3:, :2] = 1000  # not seen: must not count
    assert difference_px(Given(moved), Given(trusted), sample_crops((64, 48))) == pytest.approx(2.5, abs=1e-5)
    assert difference_px(Given(trusted), Given(trusted), sample_crops((64, 48))) == 0


def test_a_model_that_is_never_sure_is_compared_where_it_is_surest() -> None:
    trusted = random_keypoints(0.01)
    trusted[:15, :, 2] = 0.1
    moved = trusted.copy()
    moved[:15, :, 0] += 2
    moved[15:, :, 0] += 1000
    assert difference_px(Given(moved), Given(trusted), sample_crops((64, 48))) == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_differs_infinitely(bad: float) -> None:
    trusted = random_keypoints(0.9)
    broken = trusted.copy()
    broken[5, 2, 2] = bad
    assert difference_px(Given(broken), Given(trusted), sample_crops((64, 48))) == float("inf")
