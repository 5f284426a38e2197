"""Recordings made by the real recorder, and their lines as the json module reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fakes import SPEC

from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import Frame, Poses, Result
from poseapp.engine.base import Backend
from poseapp.live.recording import ModelEntry, Recorder, RecordOptions, SourceEntry
from poseapp.live.stats import Stats

HW = (240, 320)
FPS = 25.0


def frame_with(number: int, people: dict[int, float], *, skeleton: Skeleton = COCO_17, smoothed: bool = True) -> Result:
    """Frame *number* at 25 fps; the joints of each of *people*, at x px, differ in every frame, and one of them is missing."""
    rng = np.random.default_rng(number)
    n, k = len(people), skeleton.k
    xy = rng.uniform(0, 1, (n, k, 2)) * (60, 200) + np.array([[x, 20] for x in people.values()]).reshape(n, 1, 2)
    xy[:, number % k] = np.nan
    poses = Poses(
        xy=xy.astype(np.float32),
        score=rng.uniform(0.05, 1, (n, k)).astype(np.float32),
        person_score=rng.uniform(0.4, 1, n).astype(np.float32),
        ids=np.array(list(people), np.int64),
        skeleton=skeleton,
    )
    steady = replace(poses, xy=poses.xy + np.float32(0.37)) if smoothed else None
    image = np.full((*HW, 3), 90, np.uint8)
    predicted = frozenset({2}) if number == 7 else frozenset[int]()
    return Result(frame=Frame(image, number, 50.0 + number / FPS), poses=poses, smoothed=steady, predicted=predicted)


def record(parent: Path, results: Iterable[Result], clean_video: bool = False) -> Path:
    """The folder of a recording of *results*, made in *parent* by the recorder as a session drives it."""
    options = RecordOptions(folder=parent, clean_video=clean_video)
    recorder = Recorder(options, SourceEntry(name="made up"), Stats(), lossless=True)
    skeleton: Skeleton | None = None
    for result in results:
        if result.poses.skeleton != skeleton:
            skeleton = result.poses.skeleton
            model, backend = replace(SPEC, skeleton=skeleton), Backend("Fake 1", "CPU", "FP32")
            recorder.model_changed(ModelEntry(mode="top-down", model=model, backend=backend))
        recorder.capture(result.frame)
        recorder.put(result)
    recorder.close()
    assert recorder.join(30)
    assert recorder.status().error == ""
    return recorder.folder


def two_people(parent: Path, clean_video: bool = False) -> Path:
    """A recording of the frames 0, 1, 2, 5, … 11: person 1 in all but 6, person 2 in 5 to 9; smoothed but for the first."""
    return record(parent, (frame_with(i, _present(i), smoothed=i > 0) for i in (0, 1, 2, 5, 6, 7, 8, 9, 10, 11)), clean_video)


def _present(number: int) -> dict[int, float]:
    one = {1: 30.0} if number != 6 else {}
    return one | ({2: 200.0} if 5 <= number <= 9 else {})


def lines(folder: Path) -> list[dict[str, Any]]:
    """What the recorder wrote, read without the app."""
    files = sorted(folder.glob("keypoints*.jsonl"), key=lambda file: len(file.name))  # keypoints.jsonl, keypoints-2.jsonl
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def joints(folder: Path, person: int, key: str = "keypoints") -> dict[int, np.ndarray[Any, np.dtype[np.float64]]]:
    """By the number of the frame: the joints of *person* (K, 3), or (K, 2) of the key "smoothed"; NaN where they are missing."""
    return {
        line["frame"]: np.array(one[key], np.float64)
        for line in lines(folder)
        for one in line["people"]
        if one["id"] == person and key in one
    }


STILLS = {"a 1.jpg": (240, 320), "sub/b.png": (120, 100), "c.heic": (240, 320)}  # (h, w) by file


def stills(parent: Path, clean: bool = True) -> Path:
    """A recording of pictures of several sizes, with persons 1 and 2 in the first, 3 in the second and 4 in the last."""
    people = [{1: 30.0, 2: 200.0}, {3: 30.0}, {4: 100.0}]
    results = []
    for number, (file, hw) in enumerate(STILLS.items()):
        result = frame_with(number, people[number], smoothed=False)
        results.append(replace(result, frame=Frame(np.full((*hw, 3), 40 * number, np.uint8), number, number / 2, file)))
    return record(parent, results, clean)
