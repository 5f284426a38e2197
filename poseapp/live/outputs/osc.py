r"""OSC 1.0 over UDP: a bundle for each frame, whose time tag is the capture time.

======================== ======= =========================================================================================
address                  types   meaning
======================== ======= =========================================================================================
/pose/frame              iiii    number of the frame, people in it, width and height of the picture in px
/pose/ids                i…      the ids of the people in the frame
/pose/ID/JOINT           fff     x, y and score of a joint; score 0 where the joint is missing, x and y are then 0 too
/pose/ID/angle/NAME      f       an angle in degrees; only while it is seen
/pose/ID/repetitions     i       how often the exercise was repeated; only while one is counted
/pose/recording          is      1 or 0, and the name: a recording has begun or ended
======================== ======= =========================================================================================

x and y go from 0 to 1, from left to right and from top to bottom of the picture; with ``unit=px`` they are px, and an integer is
the centre of a pixel. Joints are smoothed where smoothing is on. A frame of more than 8,000 bytes is sent as several bundles of
the same time, each with ``/pose/frame``: receivers such as python-osc take 8,192 bytes at most.

Specification: Wright, "The Open Sound Control 1.0 Specification", 2002, https://opensoundcontrol.stanford.edu/spec-1_0.html.
The messages are made here, since a general library takes 2 ms for ten people, in which no other thread of Python runs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import lru_cache

from poseapp.live.outputs.base import OutputAddress, OutputSetup
from poseapp.live.outputs.datagrams import DatagramOutput
from poseapp.live.outputs.update import Update, unix_time
from poseapp.live.recording import RecordingMark

MOST_BYTES = 8000
NTP_1970 = 2_208_988_800  # s from 1900, where OSC's time begins, to 1970
_FLOAT, _FLOATS = struct.Struct(">f"), struct.Struct(">fff")


class OscOutput(DatagramOutput):
    """Sends each frame and marks of recordings. See Output."""

    def __init__(self, address: OutputAddress, setup: OutputSetup) -> None:
        del setup
        super().__init__(address)
        self._in_px = address.options["unit"] == "px"

    def send(self, update: Update) -> bool:
        """See Output."""
        sent = [self._datagrams.send(bundle) for bundle in bundles_of(update, self._in_px)]  # all, whatever became of the first
        return all(sent)

    def mark(self, mark: RecordingMark) -> None:
        """See Output."""
        content = struct.pack(">i", mark.recording) + _text(mark.name)
        self._datagrams.send(_head(mark.t) + _message("/pose/recording", "is", content))


def bundles_of(update: Update, in_px: bool = False) -> Iterator[bytes]:
    """The bundles of a frame; a single one where it is not too large."""
    result = update.result
    poses, (height, width) = result.shown, result.frame.hw
    ids = poses.ids.tolist()
    first = _head(update.t) + _message("/pose/frame", "iiii", struct.pack(">iiii", result.frame.index, len(ids), width, height))
    bundle = first + _message("/pose/ids", "i" * len(ids), struct.pack(f">{len(ids)}i", *ids))
    scale = (1.0, 1.0, 0.0) if in_px else (1.0 / width, 1.0 / height, 0.5)
    for row, identity in enumerate(ids):
        for message in _person(update, row, identity, scale):
            if len(bundle) + len(message) > MOST_BYTES:
                yield bundle
                bundle = first
            bundle += message
    yield bundle


def _person(update: Update, row: int, identity: int, scale: tuple[float, float, float]) -> Iterator[bytes]:
    """The messages on the person in *row*, in pieces that stay together; *scale* is that of x and y, and what is added before."""
    poses = update.result.shown
    (sx, sy, plus), joints = scale, []
    names = poses.skeleton.keypoints
    for name, (x, y), score in zip(names, poses.xy[row].tolist(), poses.score[row].tolist(), strict=True):
        there = math.isfinite(x) and math.isfinite(y)
        values = ((x + plus) * sx, (y + plus) * sy, score) if there else (0.0, 0.0, 0.0)
        joints.append(_prefix(f"/pose/{identity}/{name}", "fff", 12) + _FLOATS.pack(*values))
    for name, angle in update.angles[row].items():
        joints.append(_prefix(f"/pose/{identity}/angle/{name}", "f", 4) + _FLOAT.pack(angle))
    count = update.repetitions_of(identity)
    if count is not None:
        joints.append(_message(f"/pose/{identity}/repetitions", "i", struct.pack(">i", count)))
    whole = b"".join(joints)
    yield from [whole] if len(whole) <= MOST_BYTES - 100 else joints


def _head(t: float) -> bytes:
    """The beginning of a bundle of the monotonic time *t*: "#bundle" and an NTP time, s and 2⁻³² s."""
    seconds, fraction = divmod(unix_time(t) + NTP_1970, 1.0)
    return b"#bundle\0" + struct.pack(">II", int(seconds) & 0xFFFFFFFF, min(int(fraction * 2**32), 2**32 - 1))


def _message(address: str, types: str, content: bytes) -> bytes:
    """An element of a bundle: its size, the address, the types and the *content*."""
    head = _text(address) + _text(f",{types}")
    return struct.pack(">i", len(head) + len(content)) + head + content


@lru_cache(maxsize=1 << 13)
def _prefix(address: str, types: str, content_bytes: int) -> bytes:
    """What comes before the content of a message; the same in each frame."""
    return _message(address, types, b"\0" * content_bytes)[:-content_bytes]


def _text(text: str) -> bytes:
    """An OSC string: ASCII, ended by one to four zeros so that its length is a multiple of four."""
    content = text.encode("ascii", "replace")
    return content + b"\0" * (4 - len(content) % 4)
