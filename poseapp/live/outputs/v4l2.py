"""Video4Linux: a loopback device that pictures are written into, and that other programs open as a camera.

The numbers are those of ``linux/videodev2.h`` on 64-bit systems. ``tests/live/outputs`` compares them with that file where it is
installed. The module v4l2loopback makes such devices: ``sudo modprobe v4l2loopback exclusive_caps=1 card_label=poseapp``.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
from pathlib import Path

import cv2
import numpy as np

from poseapp.core.errors import OutputError
from poseapp.core.types import ImageArray

CAPABILITY = struct.Struct("=16s32s32s3I12x")  # v4l2_capability: driver, card, bus, version, all capabilities, this device's
FORMAT = struct.Struct("=I4x12I152x")  # v4l2_format with a v4l2_pix_format in it
QUERY_CAPABILITIES, SET_FORMAT = 0x80685600, 0xC0D05605
CAN_CAPTURE, CAN_OUTPUT, HAS_DEVICE_CAPABILITIES = 0x1, 0x2, 0x80000000
TYPE_OUTPUT, FIELD_NONE, SMPTE170M = 2, 1, 1
YUV420 = int.from_bytes(b"YU12", "little")
INSTALL = "Install v4l2loopback and run: sudo modprobe v4l2loopback exclusive_caps=1 card_label=poseapp"
ELSEWHERE = (
    "Virtual camera: works on Linux only. Elsewhere take the window, or the page of the WebSocket output, as a source in OBS, "
    "and start the virtual camera of OBS."
)


def loopback_devices(folder: Path = Path("/dev")) -> list[Path]:
    """The devices that take pictures, by number."""
    named = ((re.fullmatch(r"video(\d+)", path.name), path) for path in folder.glob("video*"))
    numbered = sorted((int(found[1]), path) for found, path in named if found is not None)
    return [path for _, path in numbered if _takes_pictures(path)]


def why_no_camera() -> str:
    """Why there is no virtual camera on this system, in one line; "" where there may be one."""
    if sys.platform != "linux":
        return ELSEWHERE
    return "" if loopback_devices() else f"Virtual camera: there is no device that takes pictures. {INSTALL}"


def _takes_pictures(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return bool(_capabilities(handle) & CAN_OUTPUT)
    except OSError:
        return False
    finally:
        os.close(handle)


def _capabilities(handle: int) -> int:
    import fcntl

    answer = bytearray(CAPABILITY.size)
    fcntl.ioctl(handle, QUERY_CAPABILITIES, answer)
    *_, whole, own = CAPABILITY.unpack(answer)
    return int(own if whole & HAS_DEVICE_CAPABILITIES else whole)


class LoopbackDevice:
    """The device at *path*, or the first one where *path* is "", open for pictures of *hw*, which is even.

    Raises OutputError, which says what is missing.
    """

    def __init__(self, path: str, hw: tuple[int, int]) -> None:
        if sys.platform != "linux":
            raise OutputError(ELSEWHERE)
        devices = [Path(path)] if path else loopback_devices()
        if not devices:
            raise OutputError(why_no_camera() or f"Virtual camera: there is no device that takes pictures. {INSTALL}")
        self.path = devices[0]
        self._handle = -1
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
            if not _capabilities(self._handle) & CAN_OUTPUT:
                raise OutputError(f"{self.path}: expected a loopback device, got a camera. {INSTALL}")
            self._set_format(hw)
        except OSError as error:
            self.close()
            raise OutputError(f"{self.path}: cannot be used as a virtual camera ({error.strerror}). {INSTALL}") from None
        except OutputError:
            self.close()
            raise

    def _set_format(self, hw: tuple[int, int]) -> None:
        import fcntl

        height, width = hw
        request = format_request(hw)
        fcntl.ioctl(self._handle, SET_FORMAT, request)
        _, got_width, got_height, got_format, *_ = FORMAT.unpack(request)
        if (got_width, got_height, got_format) != (width, height, YUV420):
            raise OutputError(
                f"{self.path}: expected a device that takes {width}×{height}, got {got_width}×{got_height}. "
                "Another program may hold it: close that one."
            )

    def write(self, image: ImageArray) -> bool:
        """Write *image* (H, W, 3) uint8 BGR; False where the device takes no more just now. Raises OutputError."""
        try:
            return os.write(self._handle, yuv420(image)) > 0
        except BlockingIOError:
            return False
        except OSError as error:
            raise OutputError(f"{self.path}: takes no pictures any more ({error.strerror}). {INSTALL}") from None

    def close(self) -> None:
        """Let go of the device."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with contextlib.suppress(OSError):
                os.close(handle)


def format_request(hw: tuple[int, int]) -> bytearray:
    """The v4l2_format that asks for YUV 4:2:0 pictures of *hw*."""
    height, width = hw
    size = width * height * 3 // 2
    pixels = (width, height, YUV420, FIELD_NONE, width, size, SMPTE170M, 0, 0, 0, 0, 0)
    return bytearray(FORMAT.pack(TYPE_OUTPUT, *pixels))


def yuv420(image: ImageArray) -> bytes:
    """*image* (H, W, 3) uint8 BGR as planes Y, U and V (BT.601, limited range); H and W are even."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)).tobytes()
