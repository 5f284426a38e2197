"""The virtual camera: what is drawn, and what the system is asked. No machine of the tests has a loopback device."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up_poses import HW, TOKEN, made_up, on, only

from poseapp.core.errors import OutputError
from poseapp.core.types import ImageArray
from poseapp.live.outputs import OutputSettings, OutputSetup, parse_output
from poseapp.live.outputs import v4l2 as system
from poseapp.live.outputs.base import no_control
from poseapp.live.outputs.update import Update
from poseapp.live.outputs.virtual_camera import VirtualCameraOutput
from poseapp.render import DrawOptions

linux = pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")


class Screen:
    """Keeps the last picture; takes no more than *room*."""

    def __init__(self, path: str, hw: tuple[int, int], room: int = 1000) -> None:
        self.path, self.hw, self._room = path, hw, room
        self.pictures: list[ImageArray] = []
        self.closed = False

    def write(self, image: ImageArray) -> bool:
        if len(self.pictures) == self._room:
            return False
        assert image.shape == (*self.hw, 3)
        self.pictures.append(image.copy())
        return True

    def close(self) -> None:
        self.closed = True


def camera(show: str = "both", draw: DrawOptions | None = None, room: int = 1000) -> tuple[VirtualCameraOutput, list[Screen]]:
    screens: list[Screen] = []

    def open_screen(path: str, hw: tuple[int, int]) -> Screen:
        screens.append(Screen(path, hw, room))
        return screens[-1]

    setup = OutputSetup(settings=OutputSettings(draw=draw or DrawOptions()), control=no_control, token=TOKEN)
    output = VirtualCameraOutput(parse_output(f"vcam:///dev/video7?show={show}"), setup, open_screen)
    output.open()
    return output, screens


def update(hw: tuple[int, int] = HW) -> Update:
    return Update(result=made_up(1, hw=hw, mode="one"), t=0.0, seconds=0.0)


@pytest.mark.parametrize(("show", "ground", "drawn"), [("picture", 40, False), ("both", 40, True), ("skeleton", 0, True)])
def test_what_is_shown(show: str, ground: int, drawn: bool) -> None:
    output, screens = camera(show, DrawOptions(mirror=True, labels=False))
    one = update()
    assert output.send(one)
    (picture,) = screens[0].pictures
    assert screens[0].path == "/dev/video7"
    assert (picture[2, 2] == ground).all()
    x, y = np.rint(one.result.poses.xy[0, 9]).astype(int)  # the left wrist, not mirrored
    assert bool((picture[y, x] != ground).any()) is drawn
    output.close()
    assert screens[0].closed


def test_another_size_is_scaled_into_the_first_one() -> None:
    output, screens = camera("picture")
    output.send(update((361, 641)))
    output.send(update((200, 200)))
    assert len(screens) == 1
    first, second = screens[0].pictures
    assert first.shape == second.shape == (362, 642, 3)
    assert (second[:, :100] == 0).all()
    assert (second[180, 320] == 40).all()


def test_a_camera_that_takes_no_more_drops_and_delays_nobody() -> None:
    output, _ = camera(room=1)
    assert [output.send(update()) for _ in range(3)] == [True, False, False]
    assert output.dropped == 2


@linux
def test_what_is_missing_is_said(tmp_path: Path) -> None:
    file = tmp_path / "video0"
    file.write_bytes(b"")
    with pytest.raises(OutputError, match=r"video0: cannot be used as a virtual camera .*modprobe v4l2loopback"):
        system.LoopbackDevice(str(file), (360, 640))
    assert system.loopback_devices(tmp_path) == []
    if not system.loopback_devices():
        with on("vcam") as outputs:
            assert only(outputs).light == "failed"
            assert "no device that takes pictures. Install v4l2loopback" in only(outputs).message


@linux
def test_numbers_are_those_of_the_systems_header(tmp_path: Path) -> None:
    header = Path("/usr/include/linux/videodev2.h")
    if not header.exists():
        pytest.skip("videodev2.h is not installed")
    program = tmp_path / "numbers.c"
    program.write_text(
        "#include <linux/videodev2.h>\n#include <stdio.h>\n#include <stddef.h>\n"
        'int main(void) { printf("%zu %zu %lu %lu %d %d %u %u %d %d %zu %zu %zu", sizeof(struct v4l2_capability), '
        "sizeof(struct v4l2_format), (unsigned long)VIDIOC_QUERYCAP, (unsigned long)VIDIOC_S_FMT, V4L2_BUF_TYPE_VIDEO_OUTPUT, "
        "V4L2_CAP_VIDEO_OUTPUT, V4L2_CAP_DEVICE_CAPS, V4L2_PIX_FMT_YUV420, V4L2_FIELD_NONE, V4L2_COLORSPACE_SMPTE170M, "
        "offsetof(struct v4l2_format, fmt), offsetof(struct v4l2_capability, capabilities), "
        "offsetof(struct v4l2_capability, device_caps)); return 0; }\n"
    )
    try:
        subprocess.run(["cc", str(program), "-o", str(tmp_path / "numbers")], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no compiler")
    told = subprocess.run([str(tmp_path / "numbers")], check=True, capture_output=True, text=True).stdout
    assert [int(word) for word in told.split()] == [
        *(system.CAPABILITY.size, system.FORMAT.size, system.QUERY_CAPABILITIES, system.SET_FORMAT),
        *(system.TYPE_OUTPUT, system.CAN_OUTPUT, system.HAS_DEVICE_CAPABILITIES, system.YUV420),
        *(system.FIELD_NONE, system.SMPTE170M, 8, 84, 88),
    ]


def test_the_format_that_is_asked_for() -> None:
    request = system.format_request((360, 640))
    assert len(request) == 208
    assert struct.unpack_from("=I", request, 0) == (system.TYPE_OUTPUT,)
    assert struct.unpack_from("=IIII", request, 8) == (640, 360, system.YUV420, system.FIELD_NONE)
    assert struct.unpack_from("=II", request, 24) == (640, 640 * 360 * 3 // 2)


def test_planes_are_y_u_v_and_come_back_as_the_picture() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4], image[:, 4:] = (255, 0, 0), (0, 0, 255)
    planes = np.frombuffer(system.yuv420(image), np.uint8)
    assert planes.size == 4 * 8 * 3 // 2
    back = cv2.cvtColor(planes.reshape(6, 8), cv2.COLOR_YUV2BGR_I420)
    assert np.abs(back.astype(int) - image).max() < 6


@linux
def test_a_true_loopback_device_takes_pictures() -> None:
    devices = system.loopback_devices()
    if not devices:
        pytest.skip("no v4l2loopback device on this machine")
    device = system.LoopbackDevice(str(devices[0]), (480, 640))
    assert device.write(np.zeros((480, 640, 3), np.uint8))
    device.close()


def test_no_package_with_the_gpl_is_used(repo_root: Path) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (repo_root / "poseapp").rglob("*.py")]
    assert not any(re.search(r"^\s*(import|from) pyvirtualcam", text, re.MULTILINE) for text in sources)
    assert "pyvirtualcam" not in (repo_root / "pyproject.toml").read_text(encoding="utf-8")
