"""What the list of published models says: names, sizes, speeds, and the pictures of their joints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fakes import SPEC
from PySide6.QtGui import QGuiApplication

from poseapp.convert.catalogue import CATALOGUE
from poseapp.core.skeleton import SKELETONS
from poseapp.engine.store import StoredModel
from poseapp.ui import catalogue_names, model_picture
from poseapp.ui.catalogue_names import CATALOGUE_NAMES, catalogue_purpose, catalogue_title, entries_in_order, speed
from poseapp.ui.display_names import model_purpose, model_title
from poseapp.ui.model_actions import speed_here


def test_each_published_model_has_a_name_of_its_own_and_a_purpose() -> None:
    assert set(CATALOGUE_NAMES) <= set(CATALOGUE), "a name for a model that is not in the catalogue"
    assert len({catalogue_title(name) for name in CATALOGUE}) == len(CATALOGUE)
    assert sorted(entry.name for entry in entries_in_order()) == sorted(CATALOGUE)
    assert next(iter(entries_in_order())).name == "hrnet-w32-dark-256x192"
    assert catalogue_title("mine") == "mine"
    assert catalogue_purpose("mine") == ""


def test_an_installed_one_has_the_same_name_in_the_drop_down() -> None:
    assert model_title("hrnet-w32-dark-256x192") == catalogue_title("hrnet-w32-dark-256x192") == "HRNet medium, fine"
    assert model_purpose("hrnet-w32-dark-256x192") == catalogue_purpose("hrnet-w32-dark-256x192")
    assert model_title("hourglass-s") == "Balanced"


def test_accuracy_and_size_are_what_the_catalogue_says() -> None:
    assert catalogue_names.accuracy(CATALOGUE["hrnet-w32-dark-256x192"]) == "AP 75.7"
    assert catalogue_names.size(CATALOGUE["hrnet-w32-dark-256x192"]) == "about 114 MB"
    assert catalogue_names.accuracy(CATALOGUE["hourglass-1-mpii"]) == "accuracy not published"
    # A training's checkpoint holds more than weights, nobody knows how much more.
    assert catalogue_names.size(CATALOGUE["hourglass-8-princeton"]) == "size told by the server"


@pytest.mark.parametrize(
    ("fps", "said"),
    [
        (None, "speed known once a model runs"),
        (0.04, "less than 0.1 fps here"),
        (0.42, "about 0.4 fps here"),
        (12.4, "about 12 fps here"),
    ],
)
def test_speeds_are_said_as_estimates(fps: float | None, said: str) -> None:
    assert speed(CATALOGUE["hrnet-w32-256x192"], fps) == said


def test_what_nobody_counted_has_no_estimate() -> None:
    entry = CATALOGUE["rtmo-s-640x640"]
    models = [StoredModel("folder", Path("folder"), SPEC)]
    assert speed_here(running(20.0), None, models)(entry) is None
    assert speed(entry, None) == "speed known once it runs"


def running(ms: float | None, model: str = "fake") -> Any:
    return SimpleNamespace(model=model, stats=SimpleNamespace(ms={} if ms is None else {"inference": (ms, 2 * ms)}))


def test_the_speed_follows_from_the_time_of_the_model_that_runs_by_their_work() -> None:
    entry = CATALOGUE["hrnet-w32-256x192"]
    assert entry.macs is not None
    models = [StoredModel("folder", Path("folder"), replace(SPEC, macs=entry.macs // 10))]
    assert speed_here(running(20.0), None, models)(entry) == pytest.approx(5.0, rel=1e-6)  # ten times 20 ms
    people = cast(Any, SimpleNamespace(mode="top-down", poses=[1, 2, 3, 4]))
    assert speed_here(running(20.0), people, models)(entry) == pytest.approx(20.0, rel=1e-6)  # a crop for each of four
    together = cast(Any, SimpleNamespace(mode="bottom-up", poses=[1, 2, 3, 4]))
    assert speed_here(running(20.0), together, models)(entry) == pytest.approx(5.0, rel=1e-6)
    for status, known in ((None, models), (running(None), models), (running(0.0), models), (running(20.0, "else"), models)):
        assert speed_here(status, None, known)(entry) is None


@pytest.mark.parametrize("name", SKELETONS)
def test_the_picture_shows_every_joint_of_the_skeleton_inside(name: str, qapp: QGuiApplication) -> None:
    xy = model_picture.sample_joints(SKELETONS[name])
    x, y, w, h = model_picture._CROP
    assert np.isfinite(xy).all(), "a joint is missing"
    assert ((xy > (x, y)) & (xy < (x + w, y + h))).all()
    left, right = SKELETONS[name].index("left_wrist"), SKELETONS[name].index("right_wrist")
    assert xy[left, 0] > xy[right, 0], "the person faces the camera"


def test_pictures_of_different_joints_differ(qapp: QGuiApplication) -> None:
    sample = model_picture.read_sample()
    pictures = [model_picture.joints_picture(sample, SKELETONS[name]).toImage() for name in ("coco-17", "mpii-16", "openpose-18")]
    assert all(picture.size().width() == 2 * model_picture.PICTURE_WH[0] for picture in pictures)
    assert pictures[0] != pictures[1]
    assert pictures[0] != pictures[2]
    assert pictures[1] != pictures[2]
