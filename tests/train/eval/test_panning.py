"""Panned pictures: the person stays in the frame at the size asked for, and what the app shows is judged by place and time."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import draw_set
from tiny_model import write_model

from poseapp.cli.main import main
from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, Poses
from poseapp.train.data.annotations import Person
from poseapp.train.eval import panning
from poseapp.train.eval.panning import FRAMES, SIZES, SequenceResult, panned_sequences, score_sequence, score_sequences, summarise


def shown(xy: FloatArray, score: float = 0.9) -> Poses:
    one = np.ones(1, np.float32)
    return Poses(
        xy=xy.astype(np.float32)[None],
        score=np.full((1, 17), score, np.float32),
        person_score=one,
        ids=np.zeros(1, np.int64),
        skeleton=COCO_17,
    )


def test_people_stay_in_frames_of_both_sizes_at_thirty_to_a_hundred_per_cent(figures: list[Person]) -> None:
    sequences = panned_sequences(figures)
    assert [s.hw for s in sequences] == [SIZES[i % 2] for i in range(8)]
    heights = []
    for s in sequences:
        h, w = s.hw
        boxes = np.array([[s.person.box[0], s.person.box[1]], s.person.box[:2] + s.person.box[2:]], np.float64)
        for number in range(FRAMES):
            (left, top), (right, bottom) = boxes @ s.affines[number][:, :2].T + s.affines[number][:, 2]
            assert left >= -2
            assert top >= -2
            assert right <= w + 1
            assert bottom <= h + 1
            heights.append((bottom - top) / h)
        moves = np.ptp(s.affines[:, :, 2], axis=0)
        assert moves.max() > 0.01 * w or s.affines[0, 1, 1] * s.person.box[3] > 0.9 * h
    assert min(heights) < 0.4
    assert max(heights) > 0.9
    assert np.array_equal(panned_sequences(figures)[3].affines, sequences[3].affines)


def test_the_joints_of_a_frame_lie_on_its_pixels(figures: list[Person]) -> None:
    found = 0
    for s in panned_sequences(figures):
        frames = list(s.frames())
        assert len(frames) == FRAMES
        assert frames[0].hw == s.hw
        assert frames[1].t > frames[0].t
        for number in (0, 20, 44):
            joints = s.truth(number)
            for k in (9, 10, 15, 16):
                x, y = np.rint(joints[k, :2]).astype(int)
                hue = int(cv2.cvtColor(frames[number].image[y : y + 1, x : x + 1], cv2.COLOR_BGR2HSV)[0, 0, 0])
                found += min(abs(hue - 10 * k), 180 - abs(hue - 10 * k)) <= 8
    assert found > 0.9 * 8 * 3 * 4


def test_the_app_is_on_a_person_where_it_shows_their_place(figures: list[Person]) -> None:
    s = panned_sequences(figures)[0]
    truth = [s.truth(n)[:, :2] for n in range(FRAMES)]
    poses = [Poses.none(COCO_17)] * 3 + [shown(xy + 4000) for xy in truth[3:5]] + [shown(xy) for xy in truth[5:]]
    poses[20] = shown(truth[20], score=0.1)  # nothing that would be drawn
    result = score_sequence(s, poses, COCO_17)
    assert result.on.tolist() == [n >= 5 and n != 20 for n in range(FRAMES)]
    assert np.isnan(result.oks[:3]).all()
    assert result.oks[5] == pytest.approx(1.0)
    figures_of_it = summarise([result])
    assert (figures_of_it.lock_rate, figures_of_it.median_frames_to_lock, figures_of_it.lost) == (1, 6, 0)
    assert figures_of_it.loss_rate == pytest.approx(1 / 39)
    assert figures_of_it.mean_oks == pytest.approx(1.0)


def test_late_lost_and_never(figures: list[Person]) -> None:
    sequences = panned_sequences(figures)

    def result(i: int, on: slice) -> SequenceResult:
        there = np.zeros(FRAMES, bool)
        there[on] = True
        return SequenceResult(sequences[i], there, np.where(there, 0.5, np.nan))

    late, lost, never = result(0, slice(10, None)), result(1, slice(0, 20)), result(2, slice(0, 0))
    together = summarise([late, lost, never])
    assert together.lock_rate == pytest.approx(1 / 3)  # the eleventh frame is too late
    assert together.median_frames_to_lock == 6  # of 11 and 1
    assert together.lost == 0.5
    assert together.loss_rate == pytest.approx(25 / (34 + 44))
    nothing = summarise([never])
    assert nothing.lock_rate == 0
    assert json.loads(nothing.to_json())["median_frames_to_lock"] is None


def test_only_people_who_are_alone_are_followed(tmp_path: Path) -> None:
    from poseapp.train.data.annotations import read_coco

    people = read_coco(draw_set(tmp_path, people=3), tmp_path / "images", COCO_17)
    assert len(panned_sequences([people[0], people[1]])) == 2
    with pytest.raises(DataError, match="expected a person alone in a picture"):
        panned_sequences([people[0], people[0]])
    people[2].joints[:12, 2] = 0
    assert [s.person for s in panned_sequences(people)] == people[:2]


def test_each_sequence_begins_anew(figures: list[Person]) -> None:
    seen: list[int] = []
    done: list[tuple[int, int]] = []
    sequences = panned_sequences(figures, limit=3)

    def show(s: panning.PannedSequence) -> list[Poses]:
        seen.append(s.person.annotation_id)
        return [shown(s.truth(n)[:, :2]) for n in range(FRAMES)]

    results = score_sequences(sequences, show, COCO_17, lambda n, total: done.append((n, total)))
    assert seen == [1, 2, 3]
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert summarise(results).lock_rate == 1


def test_the_apps_own_estimator_is_what_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = draw_set(tmp_path, people=2)
    write_model(tmp_path / "engines" / "tiny")
    out = tmp_path / "out.json"
    where = ["--annotations", str(annotations), "--images", str(tmp_path / "images"), "--engines-dir", str(tmp_path / "engines")]
    options = ["--boxes", "track", "--device", "cpu", "--limit", "2", "--json", str(out)]
    assert main(["eval", "--model", "tiny", *where, *options]) == 0
    figures = json.loads(out.read_text())
    assert figures["sequences"] == 2
    assert figures["lock_rate"] == 0  # that model takes the brightest place for every joint
    assert "one person at 30 to 100 % of the height" in " ".join(capsys.readouterr().out.split())
