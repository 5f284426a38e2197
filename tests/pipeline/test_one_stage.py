"""A one-stage network in each mode: an RTMO of the published layout that takes bright squares for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import ready_graphs as ready
from numpy.typing import NDArray

from poseapp.convert.importing import import_file
from poseapp.core.types import Frame, ImageArray
from poseapp.engine.base import Output
from poseapp.engine.load import load_engine
from poseapp.pipeline.bottom_up import BottomUp
from poseapp.pipeline.modes import make_estimator, suited_model

INPUT_HW = (64, 96)
FRAME_HW = (128, 128)  # two px for one of the input, with stripes of 16 px of the input left and right of the picture
BRIGHT = 190


class Watched:
    """The engine, and the crops that it was given."""

    def __init__(self, folder: Path) -> None:
        self._engine = load_engine(folder, "cpu")
        self.spec, self.backend, self.close = self._engine.spec, self._engine.backend, self._engine.close
        self.crops: list[ImageArray] = []

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        self.crops.append(crops.copy())
        return self._engine.infer(crops, heatmaps)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "rtmo.zip").write_bytes(ready.rtmo_archive(INPUT_HW))
    import_file(tmp_path / "rtmo.zip", None, "rtmo-s", tmp_path)
    made = Watched(tmp_path / "rtmo-s")
    yield made
    made.close()


def picture(*squares: tuple[int, int]) -> Frame:
    """A dark picture with bright squares: cells of the input, x and y in 32 px of it."""
    image = np.full((*FRAME_HW, 3), 40, np.uint8)
    for x, y in squares:
        image[y * 64 : y * 64 + 64, max(0, x * 64 - 32) : x * 64 + 32] = BRIGHT
    return Frame(image, 0, 0.0)


def anchors(x: int, y: int) -> NDArray[np.floating[Any]]:
    """The joints (K, 2), frame px, that the network has around the cell of a square."""
    offsets = np.random.default_rng(0).uniform(-20, 20, (17, 2)).astype(np.float32)
    inside = np.array([x * 32 + 15.5, y * 32 + 15.5]) + offsets
    return (inside - (np.array(INPUT_HW[::-1]) - 1) / 2) * 2 + (np.array(FRAME_HW[::-1]) - 1) / 2


def test_bottom_up_finds_everybody_in_one_look_and_in_their_places(engine: Watched) -> None:
    result = BottomUp(engine).estimate(picture((1, 0), (1, 1)), heatmaps=True)
    assert len(result.poses) == 2
    assert result.heatmaps == ()
    for where in ((1, 0), (1, 1)):
        distance = np.abs(result.poses.xy - anchors(*where)).max(axis=(1, 2))
        assert distance.min() < 1e-3
    assert (result.poses.score > 0.5).any()
    assert sorted(result.poses.ids.tolist()) == [1, 2]


def test_what_is_outside_the_picture_is_grey_as_in_training(engine: Watched) -> None:
    BottomUp(engine).estimate(picture())
    (_, crops) = engine.crops  # the first one asks whether the network can
    assert (crops[0, :, :16] == 114).all()
    assert (crops[0, :, -16:] == 114).all()
    assert (crops[0, :, 17:-17] == 40).all()


def test_who_is_hardly_a_person_is_nobody(engine: Watched) -> None:
    frame = picture()
    frame.image.flags.writeable = True
    frame.image[:64, 32:96] = 120  # a score of 0.3, above that of the suppression
    assert len(BottomUp(engine).estimate(frame).poses) == 0


def test_people_found_twice_are_one(engine: Watched) -> None:
    class Twice(Watched):
        def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
            output = super().infer(crops, heatmaps)
            assert output.people is not None
            people = output.people.copy()
            people[:, 1] = people[:, 0] + np.array([0.5, 0.5, -0.01], np.float32)
            return replace(output, people=people)

    twice = Twice.__new__(Twice)
    twice.__dict__ = engine.__dict__
    assert len(BottomUp(twice).estimate(picture((1, 1))).poses) == 1


def test_one_person_is_the_surest_in_the_crop(engine: Watched) -> None:
    estimator = make_estimator("one", engine, None, thorough=True)
    result = estimator.estimate(picture((1, 1)))
    assert result.mode == "one"
    assert len(result.poses) == 1


def test_bottom_up_takes_a_one_stage_network_before_fields(engine: Watched, tmp_path: Path) -> None:
    assert suited_model(tmp_path / "rtmo-s", "bottom-up") == (tmp_path / "rtmo-s", "")
    for name, family in (("hourglass-s", "hourglass"), ("openpose-s", "openpose")):
        spec = replace(engine.spec, name=name, family=cast(Any, family), decode="quarter")
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text(spec.to_json())
    folder, note = suited_model(tmp_path / "hourglass-s", "bottom-up")
    assert folder.name == "rtmo-s"
    assert "rtmo-s does it instead" in note
