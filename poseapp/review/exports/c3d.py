"""C3D, the binary marker file of motion laboratories: one person, a record for each frame, places in px, or in mm
where the recording has a scale.

Layout: "The C3D File Format: A Technical User Guide" (Motion Lab Systems, c3d.org), chapters on the header, the parameters and
the 3D data; little-endian, floating-point data. y is up from the bottom of the picture, z = 0. A missing marker has the residual
-1, as the guide says.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from poseapp.core.errors import ExportError
from poseapp.review.exports.base import EveryFrame, Take

_BLOCK = 512  # bytes: everything begins at a multiple of it
_INTEL, _KEY = 84, 0x50
_PARAMETERS_AT = 2  # the second block
_MOST_IN_WORD = 65_535
_MOST_MARKERS = 255  # labels of a parameter; the guide's further parameters for more are read by few


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Raises ExportError for a skeleton with more joints than a file can name."""
    every, joints = EveryFrame.of(take), take.part.skeleton.keypoints
    if len(joints) > _MOST_MARKERS:
        raise ExportError(f"{take.name}: expected at most {_MOST_MARKERS} joints, got {len(joints)}. Choose another format: csv.")
    unit = "mm" if take.recording.scale is not None else "px"
    there = ~np.isnan(every.xy[..., 0])
    data = np.zeros((*there.shape, 4), "<f4")
    data[..., 0] = np.where(there, every.xy[..., 0], 0)
    data[..., 1] = np.where(there, every.height_px[:, None] - 1 - every.xy[..., 1], 0)
    data[..., :2] /= take.px_per_mm
    data[..., 3] = np.where(there, 0, -1)
    # The guide counts frames from 1.
    first, last, fps = every.first + 1, every.first + len(every.t), take.fps
    # The parameters name the block of the data, and their own length says which that is: once to measure, once to keep.
    blocks = len(_parameters(joints, unit, first, last, fps, 0)) // _BLOCK
    data_at = _PARAMETERS_AT + blocks
    with path.open("wb") as file:
        file.write(_header(len(joints), first, last, fps, data_at))
        file.write(_parameters(joints, unit, first, last, fps, data_at))
        # Not filled up to a block: of more than 65,535 frames, ezc3d takes the number from the length of the file.
        file.write(data.tobytes())


def _header(markers: int, first: int, last: int, fps: float, data_at: int) -> bytes:
    """The first block. Numbers of frames that do not fit stand in TRIAL of the parameters."""
    words = struct.pack(
        "<BBHHHHHfHHf",
        *(_PARAMETERS_AT, _KEY, markers, 0),
        *(min(first, _MOST_IN_WORD), min(last, _MOST_IN_WORD), 0),
        *(-1.0, data_at, 0, fps),  # a scale below 0: the data are floating-point
    )
    return _padded(words)


def _parameters(joints: tuple[str, ...], unit: str, first: int, last: int, fps: float, data_at: int) -> bytes:
    """The groups POINT, ANALOG (empty) and TRIAL with their parameters."""
    count = last - first + 1
    groups = {
        "POINT": {
            "USED": _integers(len(joints)),
            "FRAMES": _integers(min(count, _MOST_IN_WORD)),
            "SCALE": _floats(-1.0),
            "RATE": _floats(fps),
            "DATA_START": _integers(data_at),
            "UNITS": _text(unit),
            "LABELS": _texts(joints),
            "DESCRIPTIONS": _texts(tuple("" for _ in joints)),
        },
        "ANALOG": {"USED": _integers(0), "GEN_SCALE": _floats(1.0), "RATE": _floats(0.0)},
        "TRIAL": {
            "ACTUAL_START_FIELD": _integers(first % 65_536, first // 65_536),
            "ACTUAL_END_FIELD": _integers(last % 65_536, last // 65_536),
        },
    }
    entries = b""
    for number, (group, parameters) in enumerate(groups.items(), 1):
        entries += _entry(group, -number, b"")
        for name, content in parameters.items():
            entries += _entry(name, number, content)
    entries += b"\0\0"  # an entry without a name: the end
    blocks = -(-(len(entries) + 4) // _BLOCK)
    return _padded(struct.pack("<BBBB", 1, _KEY, blocks, _INTEL) + entries)


def _entry(name: str, number: int, content: bytes) -> bytes:
    """A group (*number* below 0) or a parameter of the group *number*, without a description."""
    # The offset counts from its own place to the next entry: itself, the content, and the length of the description.
    begin = struct.pack("<bb", len(name), number) + name.encode("ascii")
    return begin + struct.pack("<h", 2 + len(content) + 1) + content + b"\0"


def _integers(*values: int) -> bytes:
    dimensions = bytes([1, len(values)]) if len(values) > 1 else b"\0"
    return b"\x02" + dimensions + struct.pack(f"<{len(values)}H", *values)


def _floats(value: float) -> bytes:
    return b"\x04\0" + struct.pack("<f", value)


def _text(value: str) -> bytes:
    return b"\xff\x01" + bytes([len(value)]) + value.encode("ascii")


def _texts(values: tuple[str, ...]) -> bytes:
    """Texts of one length, filled with spaces."""
    raw = [value.encode("ascii", "replace") for value in values]
    width = max(1, *map(len, raw))
    return b"\xff\x02" + bytes([width, len(raw)]) + b"".join(value.ljust(width) for value in raw)


def _padded(content: bytes) -> bytes:
    """*content* filled up to whole blocks."""
    return content + b"\0" * (-len(content) % _BLOCK)
