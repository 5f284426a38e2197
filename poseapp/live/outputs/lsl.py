"""LSL (Lab Streaming Layer): a stream of joints and a stream of marks, for LabRecorder and other programs of laboratories.

The stream NAME has the type "MoCap", an irregular rate and the capture time of each frame as its time. Its channels are the
number of the frame and then, for each of ``people`` places, the id and x, y (px) and score of each joint, named in the meta-data
as XDF's "MoCap" has it. A person keeps a place while in sight; an empty place and a missing joint are NaN. Where another model
has other joints, a new stream takes the place of the old one. The stream "NAME marks" has the type "Markers" with
"recording_start FOLDER" and "recording_stop FOLDER".

Library: Kothe et al., "The lab streaming layer for synchronized multimodal recording", Imaging Neuroscience 3, 2025.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from poseapp.core.errors import OutputError
from poseapp.core.skeleton import Skeleton
from poseapp.live.outputs.base import OutputAddress, OutputSetup
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark

if TYPE_CHECKING:
    import pylsl

BUFFERED_S = 10  # what the library keeps for a receiver that reads slowly; older samples are lost to it


class LslOutput:
    """Pushes each frame and marks of recordings. See Output."""

    def __init__(self, address: OutputAddress, setup: OutputSetup) -> None:
        del setup
        self._name, self._places = address.name, Places(int(address.options["people"]))
        self._joints: pylsl.StreamOutlet | None = None  # until the first frame
        self._marks: pylsl.StreamOutlet | None = None
        self._skeleton: Skeleton | None = None
        self._offset = 0.0  # of LSL's clock from ours
        self.dropped = 0

    @property
    def receiving(self) -> bool:
        """See Output."""
        return self._joints is not None and bool(self._joints.have_consumers())

    @property
    def news(self) -> str:
        """See Output."""
        return f"{self._places.without} more people than places" if self._places.without else ""

    def open(self) -> None:
        """See Output."""
        try:
            import pylsl
        except (ImportError, RuntimeError, OSError) as error:  # the library in C is a file of its own
            raise OutputError(f"LSL: pylsl cannot be loaded ({error}). Install it: pip install 'poseapp[lsl]'") from None
        self._offset = pylsl.local_clock() - time.monotonic()
        info = pylsl.StreamInfo(
            f"{self._name} marks", "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, f"poseapp-{self._name}-marks"
        )
        self._marks = pylsl.StreamOutlet(info)

    def send(self, update: Update) -> bool:
        """See Output."""
        skeleton = update.result.poses.skeleton
        if self._joints is None or skeleton != self._skeleton:
            self._joints, self._skeleton = None, skeleton  # the old stream ends before the new one begins
            self._joints = self._outlet(skeleton)
        self._joints.push_sample(self._places.sample(update), update.t + self._offset)
        return True

    def mark(self, mark: RecordingMark) -> None:
        """See Output."""
        if self._marks is not None:
            word = "recording_start" if mark.recording else "recording_stop"
            self._marks.push_sample([f"{word} {mark.name}".rstrip()], mark.t + self._offset)

    def close(self) -> None:
        """See Output."""
        self._joints = self._marks = None  # the library ends a stream that nobody holds

    def _outlet(self, skeleton: Skeleton) -> pylsl.StreamOutlet:
        import pylsl

        names = channel_names(skeleton, self._places.count)
        source = f"poseapp-{self._name}-{skeleton.name}"  # the same after a restart: a receiver then finds the stream again
        info = pylsl.StreamInfo(self._name, "MoCap", len(names), pylsl.IRREGULAR_RATE, pylsl.cf_double64, source)
        description = info.desc()
        description.append_child("acquisition").append_child_value("model", "poseapp")
        description.append_child_value("skeleton", skeleton.name)
        channels = description.append_child("channels")
        for label, kind, unit in names:
            channel = channels.append_child("channel")
            for key, value in (("label", label), ("type", kind), ("unit", unit)):
                channel.append_child_value(key, value)
        return pylsl.StreamOutlet(info, max_buffered=BUFFERED_S)


def channel_names(skeleton: Skeleton, people: int) -> list[tuple[str, str, str]]:
    """Label, type and unit of each channel of a stream with *people* places."""
    names = [("frame", "FrameNumber", "count")]
    for place in range(1, people + 1):
        names.append((f"person{place}_id", "Identity", "count"))
        for joint in skeleton.keypoints:
            label = f"person{place}_{joint}"
            names += [(f"{label}_x", "PositionX", "px"), (f"{label}_y", "PositionY", "px")]
            names.append((f"{label}_score", "Confidence", "normalized"))
    return names


class Places:
    """Gives each person a place of *count*, and keeps it while the person is in sight. ``without`` is how many have none."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.without = 0
        self._held: list[int | None] = [None] * count  # identities

    def sample(self, update: Update) -> list[float]:
        """The channels for *update*: the number of the frame, then the places."""
        poses = update.result.shown
        rows = {identity: row for row, identity in enumerate(poses.ids.tolist())}
        self._held = [identity if identity in rows else None for identity in self._held]
        for identity in rows:
            if identity not in self._held and None in self._held:
                self._held[self._held.index(None)] = identity
        self.without = len(rows) - sum(identity is not None for identity in self._held)
        sample = [float(update.result.frame.index)]
        for held in self._held:
            if held is None:
                sample += [math.nan] * (1 + 3 * poses.skeleton.k)
                continue
            sample.append(float(held))
            places, scores = poses.xy[rows[held]].tolist(), poses.score[rows[held]].tolist()
            for (x, y), score in zip(places, scores, strict=True):
                sample += [x, y, score]
        return sample
