"""Asks a Linux camera for the ranges of its controls, which OpenCV does not tell (Video4Linux2, VIDIOC_QUERYCTRL)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# linux/videodev2.h: struct v4l2_queryctrl is id, type, name[32], minimum, maximum, step, default, flags, reserved[2].
_QUERY = struct.Struct("=II32siiiiI2I")
_QUERYCTRL = 0xC0445624  # _IOWR('V', 36, struct v4l2_queryctrl)
_DISABLED = 0x0001
# linux/v4l2-controls.h. OpenCV uses the same ones for its properties.
_IDS = {"exposure": 0x009A0902, "gain": 0x00980913, "focus": 0x009A090A, "zoom": 0x009A090D}

Ioctl = Callable[[int, int, bytearray], int]


@dataclass(frozen=True)
class Span:
    """The values that a control takes, in the driver's unit."""

    low: float
    high: float
    step: float
    default: float


def read_spans(path: str, ioctl: Ioctl | None = None) -> Mapping[str, Span] | None:
    """The controls that the camera at *path* has, by name; None where it cannot be asked."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except (ImportError, OSError, ValueError):  # not on Linux, gone, or no device
        return None
    try:
        asked = {name: _ask(descriptor, number, ioctl or fcntl.ioctl) for name, number in _IDS.items()}
    finally:
        os.close(descriptor)
    return {name: span for name, span in asked.items() if span is not None}


def _ask(descriptor: int, number: int, ioctl: Ioctl) -> Span | None:
    answer = bytearray(_QUERY.pack(number, 0, b"", 0, 0, 0, 0, 0, 0, 0))
    try:
        ioctl(descriptor, _QUERYCTRL, answer)
    except OSError:  # EINVAL: the driver has no such control
        return None
    _, _, _, low, high, step, default, flags, _, _ = _QUERY.unpack(bytes(answer))
    return None if flags & _DISABLED or high <= low else Span(low, high, max(1, step), default)
