"""Painted people, watched by an estimator or through a session: what the tests of all modes share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painted import (
    BOTTOM_UP,
    TOP_DOWN,
    PaintedDetector,
    PaintedEngine,
    PaintedSource,
    PaintedStore,
    in_skeleton,
)

from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.core.types import FloatArray, Frame, PoseMode, Result
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest
from poseapp.pipeline.estimator import Estimator
from poseapp.pipeline.modes import make_estimator

HW = (360, 640)
SEVERAL: tuple[PoseMode, ...] = ("top-down", "bottom-up")
both_modes = pytest.mark.parametrize("mode", SEVERAL)


def estimator(mode: PoseMode, **options: Any) -> Estimator:
    engine = PaintedEngine(BOTTOM_UP if mode == "bottom-up" else TOP_DOWN)
    return make_estimator(mode, engine, PaintedDetector(), **options)


def watched(source: PaintedSource, looker: Estimator) -> list[tuple[float, Result]]:
    """All results for the clip."""
    source.open()
    results: list[tuple[float, Result]] = []
    while (item := source.read()) is not None:
        results.append((item[1], looker.estimate(Frame(item[0], len(results), item[1]))))
    return results


def middle_of(joints: FloatArray) -> tuple[float, float]:
    x, y = joints.mean(axis=0).tolist()
    return x, y


def who_is(figure_joints: FloatArray, result: Result, atol: float = 3.0) -> int | None:
    """The identity of the person found at those joints; None where nobody is."""
    want = in_skeleton(figure_joints, result.poses.skeleton)
    for xy, identity in zip(result.poses.xy, result.poses.ids.tolist(), strict=True):
        if np.nanmax(np.abs(xy - want)) < atol:
            return int(identity)
    return None


def recorded(source: PaintedSource, mode: PoseMode, tmp_path: Path, **settings: Any) -> list[dict[str, Any]]:
    """The lines of keypoints.jsonl of the clip, worked through by a Session."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = PaintedStore(folder)
    session = Session(
        source,
        ModelRequest(folder / "hourglass-s", mode=mode),
        realtime=False,
        load=store,
        open_detector=store.open_detector,
        **settings,
    )
    try:
        recording = session.start_recording(RecordOptions(folder=tmp_path / "recordings"))
        session.start()
        assert session.wait(100)
        assert session.failure == ""
    finally:
        session.stop()
    assert [len(engine.threads) for engine in store.engines] == [1] * len(store.engines)
    assert all(detector.closed for detector in store.detectors)
    assert all(engine.closed for engine in store.engines)
    return [json.loads(line) for line in (recording / "keypoints.jsonl").read_text().splitlines()]


def identities(source: PaintedSource, lines: list[dict[str, Any]], mode: PoseMode) -> dict[int, list[tuple[float, int]]]:
    """For each figure the times at which it was found, with the identity it had then."""
    skeleton = OPENPOSE_18 if mode == "bottom-up" else COCO_17
    found: dict[int, list[tuple[float, int]]] = {i: [] for i in range(len(source.figures))}
    for line in lines:
        for i, joints in source.truth(line["frame"] / source.fps).items():
            want = in_skeleton(joints, skeleton)
            for person in line["people"]:
                xy = np.array([joint[:2] for joint in person["keypoints"]], float)
                if np.nanmedian(np.linalg.norm(xy - want, axis=1)) < 5.0:
                    found[i].append((line["t"], person["id"]))
    return found
