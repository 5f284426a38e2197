"""Made-up results for outputs, and what their tests wait for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from fakes import FIGURE, wait_until

from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import Frame, PoseMode, Poses, Result
from poseapp.live.outputs import Outputs, OutputStatus, parse_output
from poseapp.live.outputs.base import Control, no_control

HW = (360, 640)
TOKEN = "a-token-for-tests-only"


def made_up(
    people: int = 1, index: int = 0, hw: tuple[int, int] = HW, mode: PoseMode = "top-down", skeleton: Skeleton = COCO_17
) -> Result:
    """*people* side by side, with ids from 1 on; each joint k has the score 0.5 + k/100."""
    image = np.full((*hw, 3), 40, np.uint8)
    centres = np.stack([np.linspace(0.2, 0.8, people) * hw[1], np.full(people, 0.5 * hw[0])], axis=1)
    figure = np.resize(FIGURE, (skeleton.k, 2))
    xy = (centres[:, None] + figure * 0.6 * hw[0]).astype(np.float32)
    score = np.tile(0.5 + np.arange(skeleton.k) / 100, (people, 1)).astype(np.float32)
    poses = Poses(
        xy=xy.reshape(people, skeleton.k, 2),
        score=score,
        person_score=np.full(people, 0.8, np.float32),
        ids=np.arange(1, people + 1, dtype=np.int64),
        skeleton=skeleton,
    )
    return Result(frame=Frame(image, index, time.monotonic()), poses=poses, mode=mode)


@contextmanager
def on(*addresses: str, control: Control = no_control) -> Iterator[Outputs]:
    """The outputs at *addresses*, open."""
    outputs = Outputs(control, TOKEN)
    try:
        outputs.choose([parse_output(address) for address in addresses])
        wait_until(lambda: all(status.light != "starting" for status in outputs.status()))
        yield outputs
    finally:
        outputs.close()


def give(outputs: Outputs, result: Result) -> None:
    """Hand *result* over, and wait until its output has taken it."""
    sent = [status.sent for status in outputs.status()]
    outputs.put(result, result.frame.t)
    wait_until(lambda: all(now.sent > before for now, before in zip(outputs.status(), sent, strict=True)))


def only(outputs: Outputs) -> OutputStatus:
    """The status of the only output."""
    (status,) = outputs.status()
    return status
