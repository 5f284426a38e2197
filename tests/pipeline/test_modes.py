"""Modes: people found, told apart and held on to in each of them, and changes between them while a session runs."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import packets
from fakes import wait_until
from painted import (
    TOP_DOWN,
    Figure,
    PaintedSource,
    PaintedStore,
    crowd,
    standing,
    walking,
)
from watching import HW, both_modes, estimator, identities, middle_of, recorded, who_is

from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Frame, PoseMode, Result
from poseapp.live.recording import RecordOptions, read_keypoints, read_segments
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest
from poseapp.pipeline.estimator import Estimator
from poseapp.pipeline.modes import make_estimator, smooth_rule, suited_model

# -- through the session, to the file ---------------------------------------------------------------------------------


@both_modes
def test_crossing_people_keep_their_identities(tmp_path: Path, mode: PoseMode) -> None:
    figures = [walking(90, 200, 110, 160), walking(550, 220, -110, 150), standing(320, 40, 60)]
    source = PaintedSource(figures, seconds=4.0, fps=12, hw=HW)
    lines = recorded(source, mode, tmp_path)
    assert len(lines) == 48
    found = identities(source, lines, mode)
    for i in (0, 1):
        assert len(found[i]) >= 38, "seen, but for where they cross"
        assert found[i][0][0] == 0.0
        assert found[i][-1][0] > 3.9
    ids = [{identity for _, identity in seen} for seen in found.values()]
    assert [len(numbers) for numbers in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


@both_modes
def test_somebody_hidden_for_a_second_is_the_same_one_after(tmp_path: Path, mode: PoseMode) -> None:
    source = PaintedSource(
        [walking(40, 150, 80, 160), standing(580, 150, 120)], seconds=4.5, fps=12, hw=HW, walls=[(200, 0, 70, 360)]
    )
    found = identities(source, recorded(source, mode, tmp_path), mode)
    times = [t for t, _ in found[0]]
    gap = max(b - a for a, b in itertools.pairwise(times))
    assert 1.0 <= gap <= 2.0
    assert {identity for _, identity in found[0]} == {found[0][0][1]}
    assert len({identity for _, identity in found[1]}) == 1


@both_modes
def test_an_empty_scene_has_nobody_until_somebody_comes(tmp_path: Path, mode: PoseMode) -> None:
    comer = Figure(lambda t: (300.0, 150.0, 160.0) if t >= 1.0 else None)
    lines = recorded(PaintedSource([comer], seconds=2.0, fps=10, hw=HW), mode, tmp_path)
    assert [len(line["people"]) for line in lines] == [0] * 10 + [1] * 10


@both_modes
def test_people_who_leave_and_come_back(tmp_path: Path, mode: PoseMode) -> None:
    """Away for a short time somebody is the same one; after a long time a new one, with a number that nobody had."""

    def place(t: float) -> tuple[float, float, float] | None:
        return None if 2.0 <= t < 3.0 or 4.0 <= t < 7.0 else (400.0, 150.0, 160.0)

    source = PaintedSource([Figure(place), standing(150, 150, 160)], seconds=8.0, fps=8, hw=HW)
    found = identities(source, recorded(source, mode, tmp_path), mode)
    first = {i for t, i in found[0] if t < 2}
    assert len(first) == 1
    assert {i for t, i in found[0] if 3 <= t < 4} == first
    later = {i for t, i in found[0] if t >= 7}
    assert len(later) == 1
    stayed = {i for _, i in found[1]}
    assert len(stayed) == 1
    assert len(first | later | stayed) == 3


@both_modes
def test_thirty_people(tmp_path: Path, mode: PoseMode) -> None:
    source = PaintedSource(crowd(30), seconds=0.5, fps=8)
    lines = recorded(source, mode, tmp_path)
    assert [len(line["people"]) for line in lines] == [30] * 4
    ids = [sorted(person["id"] for person in line["people"]) for line in lines]
    assert ids == [list(range(1, 31))] * 4


def test_the_file_carries_raw_and_smoothed_joints_and_who_is_locked(tmp_path: Path) -> None:
    source = PaintedSource([walking(100, 150, 60, 160)], seconds=1.5, fps=12, hw=HW)
    lines = recorded(source, "top-down", tmp_path, smoothing=SmoothRule(min_cutoff_hz=0.3, beta=0.0))
    first, last = lines[0]["people"][0], lines[-1]["people"][0]
    raw = np.array([joint[:2] for joint in last["keypoints"]])
    np.testing.assert_allclose(raw, source.truth(17 / 12)[0], atol=2.0)
    assert first["smoothed"] == [joint[:2] for joint in first["keypoints"]]
    lag = raw - np.array(last["smoothed"])
    assert (lag[:, 0] > 3.0).all(), "a filter this slow lags behind somebody who walks to the right"
    assert "locked" not in lines[0]
    assert "predicted" not in first


def test_without_smoothing_the_file_says_nothing_of_it(tmp_path: Path) -> None:
    source = PaintedSource([standing(300, 150, 160)], seconds=0.3, fps=10, hw=HW)
    lines = recorded(source, "bottom-up", tmp_path)
    assert [len(line["people"]) for line in lines] == [1, 1, 1]
    assert [set(line["people"][0]) for line in lines] == [{"id", "score", "keypoints"}] * 3


# -- several, and clicks -----------------------------------------------------------------------------------------------


@both_modes
def test_a_click_locks_who_is_under_it_and_a_second_lets_go(mode: PoseMode) -> None:
    source = PaintedSource([standing(150, 150, 160), standing(450, 150, 160)], hw=HW)
    looker = estimator(mode)
    frame = Frame(source.picture(0.0), 0, 0.0)
    looker.estimate(frame)
    middle = middle_of(source.truth(0)[1])
    looker.lock(middle)
    result = looker.estimate(Frame(frame.image, 1, 0.1))
    assert result.locked == who_is(source.truth(0)[1], result)
    looker.lock(middle)
    assert looker.estimate(Frame(frame.image, 2, 0.2)).locked is None
    looker.lock((300.0, 20.0))
    assert looker.estimate(Frame(frame.image, 3, 0.3)).locked is None


@both_modes
def test_another_picture_begins_with_new_people(mode: PoseMode) -> None:
    source = PaintedSource([standing(150, 150, 160)], hw=HW)
    looker = estimator(mode)
    first = looker.estimate(Frame(source.picture(0.0), 0, 0.0))
    looker.reset()
    second = looker.estimate(Frame(source.picture(0.0), 1, 0.1))
    assert (first.poses.ids.tolist(), second.poses.ids.tolist()) == ([1], [2])


# -- the session's settings --------------------------------------------------------------------------------------------


class Running:
    """A session on painted people, live; ``frames`` are all results taken so far."""

    def __init__(
        self, folder: Path, source: PaintedSource, mode: PoseMode = "one", model: str = "hourglass-s", **store: Any
    ) -> None:
        self.store = PaintedStore(folder, **store)
        self.session = Session(
            source,
            ModelRequest(folder / model, mode=mode),
            load=self.store,
            builds_first=lambda *_: False,
            open_detector=self.store.open_detector,
        )
        self.frames: list[Result] = []

    def __enter__(self) -> Running:
        self.session.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.stop()

    def until(self, condition: Any) -> Result:
        """The first result that fulfils *condition*."""
        found: list[Result] = []

        def predict() -> bool:
            result = self.session.take()
            if result is not None:
                self.frames.append(result)
                if condition(result):
                    found.append(result)
            return bool(found)

        wait_until(predict)
        return found[0]


TWO = [standing(150, 150, 160), standing(450, 150, 160)]


def test_the_mode_changes_between_two_frames_and_back(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_mode("top-down")
        several = running.until(lambda r: r.mode == "top-down" and len(r.poses) == 2)
        assert several.poses.ids.tolist() in ([1, 2], [2, 1]), "the one followed keeps the number"
        assert len(running.store.engines) == 1, "with the same engine"
        running.session.set_mode("bottom-up")
        joints = running.until(lambda r: r.mode == "bottom-up" and len(r.poses) == 2)
        assert joints.model == "openpose-s"
        assert min(joints.poses.ids) >= 3, "other joints: nobody can say who is who, and no number is given twice"
        status = running.session.status()
        assert (status.mode, status.model, status.model_error) == ("bottom-up", "openpose-s", "")
        assert status.note == "hourglass-s cannot find all people at once: openpose-s does it instead."
        running.session.set_mode("one")
        last = running.until(lambda r: r.mode == "one" and len(r.poses) == 1)
        assert last.model == "hourglass-s"
        assert running.session.status().note == ""
        indices = [r.frame.index for r in running.frames]
        assert indices == sorted(set(indices))


@pytest.fixture
def estimators(monkeypatch: pytest.MonkeyPatch) -> list[Estimator]:
    """All estimators that sessions make, the newest one last."""
    made: list[Estimator] = []

    def remember(*arguments: Any, **options: Any) -> Estimator:
        made.append(make_estimator(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("poseapp.live.model_runner.make_estimator", remember)
    return made


@pytest.mark.parametrize("mode", ["top-down", "bottom-up"])
def test_numbers_of_several_people_start_at_1_whatever_was_before(
    tmp_path: Path, mode: PoseMode, estimators: list[Estimator]
) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=20, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        estimators[-1].tracker.next_id += 7  # as if the one person had been lost seven times
        running.session.set_mode("top-down")
        several = running.until(lambda r: r.mode == "top-down" and len(r.poses) == 2)
        assert sorted(several.poses.ids) == [1, 2]
        running.session.set_mode(mode)
        running.until(lambda r: r.mode == mode and len(r.poses) == 2)
        running.session.set_source(PaintedSource(TWO, fps=10, hw=HW))
        other = running.until(lambda r: r.mode == mode and len(r.poses) == 2 and set(r.poses.ids) == {1, 2})
        assert other.frame.index > several.frame.index


def test_a_recording_counts_people_from_one_and_gives_no_number_twice(tmp_path: Path, estimators: list[Estimator]) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=20, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        estimators[-1].tracker.next_id += 7  # as if the one person had been lost seven times
        folder = running.session.start_recording(RecordOptions(folder=tmp_path / "recordings"))
        running.session.set_mode("top-down")
        running.until(lambda r: r.mode == "top-down" and len(r.poses) == 2)
        running.session.stop_recording()
    lines = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {person["id"] for line in lines for person in line["people"]} == {1, 2}


def test_a_recording_goes_on_while_the_mode_changes_and_says_from_where(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        folder = running.session.start_recording(RecordOptions(folder=tmp_path / "recordings"))
        modes: tuple[PoseMode, ...] = ("top-down", "bottom-up", "one")
        for mode in modes:
            running.session.set_mode(mode)
            running.until(lambda r, mode=mode: r.mode == mode and len(r.poses) > 0)
        running.session.stop_recording()
        wait_until(lambda: json.loads((folder / "session.json").read_text())["finished"])
    models = json.loads((folder / "session.json").read_text())["models"]
    assert [(entry["model"]["name"], entry["mode"]) for entry in models] == [
        ("hourglass-s", "one"),
        ("hourglass-s", "top-down"),
        ("openpose-s", "bottom-up"),
        ("hourglass-s", "one"),
    ]
    lines = list(read_keypoints(folder))
    for i, (entry, after) in enumerate(itertools.pairwise([*models, {"from_frame": lines[-1]["frame"] + 1}])):
        its = [line for line in lines if entry["from_frame"] <= line["frame"] < after["from_frame"]]
        joints = {len(p["keypoints"]) for line in its for p in line["people"]}
        assert joints <= {18 if entry["model"]["name"] == "openpose-s" else 17}
        assert joints or i == 0  # the first mode may have been left at once
    segments = read_segments(folder)
    skeletons = [segment.skeleton for segment in segments if segment.skeleton is not None]
    assert [skeleton.name for skeleton in skeletons] == [
        "coco-17",
        "openpose-18",
        "coco-17",
    ]
    for segment, skeleton in zip(segments, skeletons, strict=True):
        its = list(segment.lines())
        assert its[0]["frame"] == segment.from_frame
        assert {len(person["keypoints"]) for line in its for person in line["people"]} == {skeleton.k}
        pts, _ = packets(segment.video)
        np.testing.assert_allclose(pts, [line["t"] for line in its], atol=2e-3)


def test_leaving_bottom_up_finds_the_detector_with_the_very_same_model(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), mode="bottom-up", model="openpose-s") as running:
        running.until(lambda r: r.mode == "bottom-up" and len(r.poses) == 2)
        running.session.set_mode("top-down")
        running.until(lambda r: r.mode == "top-down" and len(r.poses) == 2)
        assert running.session.status().model_error == ""


def test_bottom_up_without_a_model_for_it_says_what_to_do_and_goes_on(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), specs=(TOP_DOWN,)) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_mode("bottom-up")
        wait_until(lambda: running.session.status().model_error)
        status = running.session.status()
        assert status.model_error.startswith(
            f"bottom-up: expected a model that finds all people at once in {tmp_path}, found none."
        )
        assert (status.state, status.mode, status.model_request.mode, status.loading) == ("running", "one", "one", "")
        assert running.until(lambda r: len(r.poses) == 1).mode == "one"


def test_top_down_without_a_detector_says_what_to_do_and_goes_on(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), detector=False) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_mode("top-down")
        wait_until(lambda: running.session.status().model_error)
        status = running.session.status()
        assert status.model_error.startswith("top-down: expected a person detector in the model store, found none.")
        assert (status.state, status.mode, status.model_request.mode) == ("running", "one", "one")


def test_a_start_that_cannot_have_its_mode_looks_for_one_person(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), mode="top-down", detector=False) as running:
        running.until(lambda r: len(r.poses) == 1)
        status = running.session.status()
        assert (status.state, status.mode) == ("running", "one")
        assert status.note.startswith("top-down: expected a person detector")


def test_another_model_for_bottom_up_keeps_the_mode(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), mode="bottom-up") as running:
        running.until(lambda r: len(r.poses) == 2)
        running.session.set_model(tmp_path / "hourglass-s")
        wait_until(lambda: len(running.store.engines) == 2 and not running.session.status().loading)
        assert running.until(lambda r: len(r.poses) == 2).model == "openpose-s"
        assert "cannot find all people at once" in running.session.status().note


def test_smoothing_is_switched_while_it_runs(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), mode="top-down") as running:
        assert running.until(lambda r: len(r.poses) == 2).smoothed is None
        running.session.settings.smoothing = SmoothRule()
        result = running.until(lambda r: r.smoothed is not None and len(r.poses) == 2)
        assert result.smoothed is not None
        assert result.shown is result.smoothed
        assert result.smoothed.ids.tolist() == result.poses.ids.tolist()
        running.session.settings.smoothing = None
        assert running.until(lambda r: r.smoothed is None).shown is not None


def test_a_click_reaches_the_one_it_means(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), mode="top-down") as running:
        result = running.until(lambda r: len(r.poses) == 2)
        x, y = result.poses.xy[1].mean(axis=0).tolist()
        running.session.lock_person((x, y))
        assert running.until(lambda r: r.locked is not None).locked == result.poses.ids[1]
        running.session.lock_person(None)
        running.until(lambda r: r.locked is None)


def test_a_budget_set_while_it_runs(tmp_path: Path) -> None:
    source = PaintedSource(crowd(6, HW), fps=10, hw=HW)
    with Running(tmp_path, source, mode="top-down", delay_s=0.02) as running:
        running.session.settings.latency_budget_ms = math.inf
        running.until(lambda r: len(r.poses) == 6 and not r.predicted)
        running.session.settings.latency_budget_ms = 30.0
        running.until(lambda r: len(r.poses) == 6 and len(r.predicted) >= 4)


# -- small parts -------------------------------------------------------------------------------------------------------


def test_the_model_asked_for_serves_where_it_can(tmp_path: Path) -> None:
    PaintedStore(tmp_path)
    for mode in ("one", "top-down"):
        assert suited_model(tmp_path / "hourglass-s", mode) == (tmp_path / "hourglass-s", "")
    assert suited_model(tmp_path / "openpose-s", "bottom-up") == (tmp_path / "openpose-s", "")
    folder, note = suited_model(tmp_path / "hourglass-s", "bottom-up")
    assert folder == tmp_path / "openpose-s"
    assert note == "hourglass-s cannot find all people at once: openpose-s does it instead."


def test_a_stronger_smoothing_cuts_lower_and_none_is_none() -> None:
    assert smooth_rule(0.0) is None
    rules = [smooth_rule(strength) for strength in (0.25, 0.5, 0.75, 1.0)]
    cutoffs = [rule.min_cutoff_hz for rule in rules if rule is not None]
    assert rules[1] == SmoothRule()
    np.testing.assert_allclose(np.array(cutoffs[:-1]) / cutoffs[1:], 2.0)
