"""UDP with JSON: a datagram for each frame, the line of ``keypoints.jsonl``; see ``line_of`` in update.py."""

from __future__ import annotations

import json
import time
from typing import Any

from poseapp.core.skeleton import Skeleton
from poseapp.live.outputs.base import OutputAddress, OutputSetup
from poseapp.live.outputs.datagrams import DatagramOutput
from poseapp.live.outputs.update import Update, line_of, mark_line, skeleton_line
from poseapp.live.recording import RecordingMark

SKELETON_S = 1.0  # how often the skeleton is sent: a receiver that comes later must know the joints, too


class UdpOutput(DatagramOutput):
    """Sends each frame, once a second the skeleton, and marks of recordings. See Output."""

    def __init__(self, address: OutputAddress, setup: OutputSetup) -> None:
        del setup
        super().__init__(address)
        self._skeleton: Skeleton | None = None
        self._skeleton_at = 0.0

    def send(self, update: Update) -> bool:
        """See Output."""
        skeleton = update.result.poses.skeleton
        now = time.monotonic()
        if skeleton != self._skeleton or now - self._skeleton_at >= SKELETON_S:
            self._skeleton, self._skeleton_at = skeleton, now
            self._datagrams.send(_bytes(skeleton_line(skeleton)))
        return self._datagrams.send(_bytes(line_of(update)))

    def mark(self, mark: RecordingMark) -> None:
        """See Output."""
        self._datagrams.send(_bytes(mark_line(mark)))


def _bytes(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode()
