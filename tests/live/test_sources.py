"""Sources: what they give, and how each kind of bad input is reported."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import cv2_enumerate_cameras
import numpy as np
import pytest
from clips import Server, grey_clip, is_picture, reading

from poseapp.core.errors import SourceError
from poseapp.core.types import Frame, ImageArray
from poseapp.live.sources import (
    CameraSource,
    FolderSource,
    Mode,
    PictureSource,
    Source,
    StreamSource,
    SyntheticSource,
    VideoSource,
    decoding,
    list_cameras,
    parse_source,
)
from poseapp.live.sources import camera as camera_module
from poseapp.live.sources import stream as stream_module
from poseapp.live.sources.base import as_bgr
from poseapp.live.sources.pictures import read_picture


def read_all(source: Source, most: int = 10_000) -> list[tuple[ImageArray, float]]:
    items: list[tuple[ImageArray, float]] = []
    try:
        source.open()
        while len(items) < most and (item := source.read()) is not None:
            items.append(item)
    finally:
        source.close()
    return items


def one_line(error: pytest.ExceptionInfo[SourceError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# -- cameras ---------------------------------------------------------------------------------------------------------


def test_a_camera_that_is_not_there_says_what_to_do() -> None:
    camera = CameraSource(99)
    with pytest.raises(SourceError) as error:
        camera.open()
    assert one_line(error) == "Camera 99: cannot be opened. Plug it in, or close the other program that uses it."
    camera.close()
    with pytest.raises(SourceError, match="is not open"):
        camera.read()


def test_cameras_can_be_listed_where_there_are_none_too() -> None:
    """With whatever is plugged into this machine."""
    backend = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}[sys.platform]
    nodes = {info.index: info for info in cv2_enumerate_cameras.enumerate_cameras(backend)}
    cameras = list_cameras()
    assert {camera.index for camera in cameras} <= set(nodes)
    assert {camera.name for camera in cameras} == {info.name or f"Camera {info.index}" for info in nodes.values()}


def test_each_camera_is_listed_once_and_two_of_one_make_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """One camera has several nodes of one name, of which the first gives pictures; twins differ in where they are plugged in."""
    plugged = {"/dev/video0": "usb 1", "/dev/video1": "usb 1", "/dev/video2": "usb 2", "/dev/video3": "usb 2"}
    plugged |= {"/dev/video7": "usb 3"}
    names = {"/dev/video7": ""}
    found = [
        cv2_enumerate_cameras.CameraInfo(int(path[-1]), names.get(path, "HD Webcam"), path, 1, 2, cv2.CAP_V4L2)
        for path in plugged
    ]
    monkeypatch.setattr(cv2_enumerate_cameras, "enumerate_cameras", lambda _backend: found)
    monkeypatch.setattr(camera_module, "_usb_place", plugged.__getitem__)
    cameras = list_cameras()
    assert [(camera.index, camera.name, camera.path) for camera in cameras] == [
        (0, "HD Webcam", "/dev/video0"),
        (2, "HD Webcam", "/dev/video2"),
        (7, "Camera 7", "/dev/video7"),
    ]


def test_a_driver_that_cannot_list_cameras_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_backend: int) -> list[Any]:
        raise RuntimeError("no DirectShow")

    monkeypatch.setattr(cv2_enumerate_cameras, "enumerate_cameras", fails)
    with pytest.raises(SourceError) as error:
        list_cameras()
    assert one_line(error) == "cameras: cannot be listed (no DirectShow). Give the camera by number: camera:0."


class DriverThatThrows:
    def read(self) -> tuple[bool, ImageArray]:
        raise cv2.error("the device is gone")

    def release(self) -> None: ...


def test_a_driver_that_throws_is_a_lost_camera() -> None:
    camera = CameraSource(0)
    camera._capture = DriverThatThrows()  # type: ignore[assignment]
    with pytest.raises(SourceError, match="gives no pictures any more"):
        camera.read()
    camera.close()


class DriverThatGrants:
    """A camera that gives 640 × 480 whatever is asked for, and says in *fourcc* which codec that is."""

    def __init__(self, fourcc: int) -> None:
        self.fourcc, self.requested = fourcc, dict[int, float]()

    def set(self, what: int, value: float) -> bool:
        self.requested[what] = value
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FOURCC: self.fourcc, cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}.get(what, -1.0)


@pytest.mark.parametrize(("fourcc", "codec"), [(0x47504A4D, "MJPG"), (0x16, ""), (-466162819, ""), (0, "")])
def test_what_a_camera_grants_is_what_it_says(fourcc: int, codec: str) -> None:
    """Some say a number that is no text, and none a rate below nought."""
    driver = DriverThatGrants(fourcc)
    mode = CameraSource._request(driver, Mode(1280, 720, 30.0))  # type: ignore[arg-type]
    assert mode == Mode(640, 480, 0.0, codec)
    assert driver.requested[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG"), "asked for where nothing else is"
    assert driver.requested[cv2.CAP_PROP_BUFFERSIZE] == 1, "an old frame in the driver's queue is lag"


class DriverThatHangs:
    def __init__(self) -> None:
        self.reading, self.go_on = threading.Event(), threading.Event()
        self.released_under_a_read = False

    def read(self) -> tuple[bool, ImageArray]:
        self.reading.set()
        assert self.go_on.wait(20)
        self.reading.clear()
        return True, np.zeros((4, 4, 3), np.uint8)

    def release(self) -> None:
        self.released_under_a_read |= self.reading.is_set()


def test_a_camera_is_never_released_under_a_read() -> None:
    """OpenCV frees what the read is using; the process may crash."""
    camera, driver = CameraSource(0), DriverThatHangs()
    camera._capture = driver  # type: ignore[assignment]
    reader = threading.Thread(target=camera.read)
    reader.start()
    assert driver.reading.wait(10)
    begun = time.monotonic()
    camera.close()
    assert time.monotonic() - begun < 10  # the read would hang for 20 s
    driver.go_on.set()
    reader.join(10)
    camera.close()
    assert not driver.released_under_a_read
    assert camera._capture is None


# -- video files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_every_picture_of_a_file_comes_in_order_with_its_time(tmp_path: Path, name: str) -> None:
    times = [n / 30 for n in range(25)]
    source = VideoSource(grey_clip(tmp_path / name, times))
    mode = source.open()
    assert (mode.width, mode.height) == (64, 48)
    assert source.frames in ((25,) if name != "clip.mkv" else (24, 25, 26))
    source.close()
    items = read_all(source)
    assert all(is_picture(image, n) for n, (image, _) in enumerate(items))
    np.testing.assert_allclose([t for _, t in items], times, atol=1.1e-3)


def test_the_times_of_a_variable_frame_rate_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.02, 0.25, 0.26, 1.0]
    items = read_all(VideoSource(grey_clip(tmp_path / "clip.mkv", times)))
    np.testing.assert_allclose([t for _, t in items], times, atol=1e-3)


def test_a_file_without_times_is_played_at_its_rate(tmp_path: Path) -> None:
    items = read_all(VideoSource(grey_clip(tmp_path / "clip.h264", [n / 30 for n in range(10)])))
    assert len(items) == 10
    steps = np.diff([t for _, t in items])
    assert (steps > 0.01).all()
    assert np.ptp(steps) < 1e-6


def test_a_loop_goes_on_in_time(tmp_path: Path) -> None:
    source = VideoSource(grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(6)]), loop=True)
    items = read_all(source, most=20)
    assert all(is_picture(image, n % 6) for n, (image, _) in enumerate(items))
    np.testing.assert_allclose([t for _, t in items], np.arange(20) / 30, atol=5e-3)


def test_a_loop_of_a_file_without_times_begins_anew(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.h264", [n / 30 for n in range(6)])
    items = read_all(VideoSource(path, loop=True), most=20)
    assert all(is_picture(image, n % 6) for n, (image, _) in enumerate(items))
    assert np.ptp(np.diff([t for _, t in items])) < 1e-6
    source = VideoSource(path, loop=True)
    source.open()
    try:
        path.unlink()
        with pytest.raises(SourceError, match=r"clip\.h264: cannot be opened again"):
            list(itertools.islice(iter(source.read, None), 7))
    finally:
        source.close()


@pytest.mark.parametrize("live", [False, True])
def test_what_is_live_is_shown_as_soon_as_it_is_there(live: bool, tmp_path: Path) -> None:
    with av.open(str(grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(20)]))) as container:
        container.streams.video[0].codec_context.thread_count = 8
        decoding.video_mode(container, "clip", live)
        needed = next(n for n, packet in enumerate(container.demux(video=0), 1) if packet.decode())
    assert (needed == 1) == live


def test_a_file_that_was_recorded_sideways_is_turned_upright(tmp_path: Path) -> None:
    """Phones write the angle into the track header's matrix."""
    path = tmp_path / "clip.mp4"
    grey_clip(path, [0.0, 0.1])
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", content, matrix) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, matrix, 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    assert read_all(VideoSource(path))[0][0].shape == (64, 48, 3)


def test_a_file_whose_tags_are_not_utf8_plays(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mp4", [0.0, 0.1])
    content = path.read_bytes()
    assert b"Lavf" in content
    path.write_bytes(content.replace(b"Lavf", b"\xff\xe4vf"))
    assert len(read_all(VideoSource(path))) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file. Check the path."),
        (b"", "the file is empty. Record or copy it again."),
        (
            b"this is no video at all\n" * 50,
            "not a video that can be read (Invalid data found when processing input). Try another file.",
        ),
    ],
    ids=["missing", "empty", "no video"],
)
def test_a_bad_file_says_why_and_what_to_do(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    source = VideoSource(path)
    with pytest.raises(SourceError) as error:
        source.open()
    assert one_line(error) == f"{path}: {message}"
    source.close()


def test_a_cut_mp4_has_lost_its_index_and_says_so(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(60)])
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(SourceError) as error:
        read_all(VideoSource(path))
    assert "video that can be read" in one_line(error)


def test_a_cut_mp4_with_its_index_in_front_plays_to_the_cut(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(60)], movflags="faststart")
    os.truncate(path, path.stat().st_size - 800)
    items = read_all(VideoSource(path))
    assert 5 <= len(items) < 60
    assert all(is_picture(image, n) for n, (image, _) in enumerate(items[:-1]))


def test_a_cut_mkv_plays_to_the_cut(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(60)])
    os.truncate(path, path.stat().st_size * 2 // 3)
    items = read_all(VideoSource(path))
    assert 5 <= len(items) < 60
    assert all(is_picture(image, n) for n, (image, _) in enumerate(items[:-1]))


def test_a_file_cut_before_its_first_picture_says_so(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(5)])
    content = path.read_bytes()
    os.truncate(path, content.index(b"\x1f\x43\xb6\x75"))  # the first cluster
    with pytest.raises(SourceError) as error:
        read_all(VideoSource(path))
    assert str(path) in one_line(error)


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(60)], cluster_time_limit="500")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(60)
    path.write_bytes(content)
    times = [t for _, t in read_all(VideoSource(path))]
    assert len(times) > 20
    assert np.all(np.diff(times) > 0)


def test_a_file_without_a_picture_track_says_so(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = VideoSource(path)
    with pytest.raises(SourceError, match=r"^sound\.mkv: holds no video that can be read"):
        source.open()
    assert source._container is None


# -- pictures and folders --------------------------------------------------------------------------------------------


def write_png(path: Path, image: np.ndarray[Any, Any]) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize(
    "image",
    [
        np.full((20, 30), 128, np.uint8),
        np.full((20, 30, 4), (10, 128, 200, 90), np.uint8),
        np.full((20, 30, 3), 128 * 257, np.uint16),
        np.full((20, 30), 128 * 257, np.uint16),
    ],
    ids=["grey", "four channels", "16-bit colour", "16-bit grey"],
)
def test_pictures_of_every_kind_become_bgr(tmp_path: Path, image: np.ndarray[Any, Any]) -> None:
    ((picture, t),) = read_all(PictureSource(write_png(tmp_path / "picture.png", image)))
    assert Frame(picture, 0, t).hw == (20, 30)
    assert tuple(picture[3, 3]) == ((10, 128, 200) if image.shape[-1] == 4 else (128, 128, 128))


def test_a_picture_is_given_once_or_again_and_again(sample_picture: Path) -> None:
    assert len(read_all(PictureSource(sample_picture))) == 1
    repeated = read_all(PictureSource(sample_picture, repeat_fps=10.0), most=5)
    assert [t for _, t in repeated] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


ZERO_SIZED_PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d49484452000000000000000008020000001f15c4890000000049454e44ae426082"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory). Check the path."),
        (b"", "the file is empty. Copy it again."),
        (b"no picture", "not a picture that can be read. Try another file."),
        (ZERO_SIZED_PNG, "not a picture that can be read. Try another file."),
    ],
    ids=["missing", "empty", "no picture", "zero size"],
)
def test_a_bad_picture_says_why_and_what_to_do(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        PictureSource(path).open()
    assert one_line(error) == f"{path}: {message}"


def test_a_picture_beyond_opencvs_limit_is_refused(tmp_path: Path) -> None:
    header = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 1 << 18, 1 << 18, 1, 24, 0, 0, 0, 0, 0, 0)
    path = tmp_path / "huge.bmp"
    path.write_bytes(header + bytes(100))
    with pytest.raises(SourceError, match="not a picture that can be read"):
        read_picture(path)


def test_a_folder_gives_its_pictures_by_name_and_lists_what_it_left_out(tmp_path: Path) -> None:
    for name, value in (("b.png", 20), ("a.PNG", 10), ("d.png", 40)):
        write_png(tmp_path / name, np.full((8, 8, 3), value, np.uint8))
    (tmp_path / "c.png").write_bytes(b"no picture")
    (tmp_path / "e.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture either")
    (tmp_path / "folder.png").mkdir()
    source = FolderSource(tmp_path, fps=4.0)
    items = read_all(source)
    assert [int(image[0, 0, 0]) for image, _ in items] == [10, 20, 40]
    assert [t for _, t in items] == [0.0, 0.25, 0.5]
    assert [Path(text.partition(":")[0]).name for text in source.skipped] == ["c.png", "e.jpg"]


def test_a_folder_can_be_repeated(tmp_path: Path) -> None:
    for i in range(2):
        write_png(tmp_path / f"{i}.png", np.full((8, 8, 3), 10 * i, np.uint8))
    (tmp_path / "2.png").write_bytes(b"no picture")
    source = FolderSource(tmp_path, loop=True)
    assert [int(image[0, 0, 0]) for image, _ in read_all(source, most=5)] == [0, 10, 0, 10, 0]
    assert len(source.skipped) == 1


def test_a_folder_whose_pictures_vanish_comes_to_an_end(tmp_path: Path) -> None:
    write_png(tmp_path / "0.png", np.zeros((8, 8, 3), np.uint8))
    source = FolderSource(tmp_path, loop=True)
    source.open()
    assert source.read() is not None
    (tmp_path / "0.png").unlink()
    with pytest.raises(SourceError, match="none of its 1 pictures can be read"):
        source.read()


def test_a_folder_without_a_readable_picture_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pictures"):
        FolderSource(tmp_path).open()
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="none of its 1 pictures can be read"):
        FolderSource(tmp_path).open()
    with pytest.raises(SourceError, match="cannot be read"):
        FolderSource(tmp_path / "nowhere").open()


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0), (2, 2, 2, 2), (4, 4, 2), (4, 4, 5)])
def test_as_bgr_refuses_what_is_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(SourceError, match="Choose another camera mode"):
        as_bgr(np.zeros(shape, np.uint8), "camera")


def test_as_bgr_refuses_16_bit() -> None:
    with pytest.raises(SourceError, match=r"expected an 8-bit picture, got \(4, 4, 3\) uint16"):
        as_bgr(np.zeros((4, 4, 3), np.uint16), "camera")


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_as_bgr_takes_grey_bgr_and_bgra(shape: tuple[int, ...]) -> None:
    image = as_bgr(np.full(shape, 7, np.uint8), "camera")
    assert Frame(image, 0, 0.0).hw == (4, 6)
    assert (image == 7).all()
    assert as_bgr(np.full((4, 12, 3), 7, np.uint8)[:, ::2], "camera").flags.c_contiguous


# -- the synthetic figure --------------------------------------------------------------------------------------------


def test_the_synthetic_figure_is_where_it_says() -> None:
    source = SyntheticSource((240, 320), fps=10, seconds=1.0)
    items = read_all(source)
    assert len(items) == source.frames == 10
    assert [t for _, t in items] == pytest.approx(np.arange(10) / 10)
    truth = source.truth(items[5][1])
    assert truth.shape == (17, 2)
    assert ((truth >= 0) & (truth < (320, 240))).all()
    background = source._background
    for x, y in np.rint(truth).astype(int):
        assert (items[5][0][y, x] != background[y, x]).any()


# -- streams ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def long_clip(tmp_path: Path) -> bytes:
    # A cluster for each half second, as a recording of the app has.
    return grey_clip(tmp_path / "served.mkv", [n / 30 for n in range(90)], cluster_time_limit="500").read_bytes()


@pytest.fixture
def stalling(long_clip: bytes) -> Iterator[Server]:
    server = Server(long_clip, cut=len(long_clip) * 2 // 3)
    yield server
    server.close()


def test_a_clip_on_a_server_plays_at_its_own_speed_and_ends(tmp_path: Path) -> None:
    server = Server(grey_clip(tmp_path / "served.mkv", [n / 30 for n in range(31)]).read_bytes())
    try:
        source = StreamSource(server.url)
        begun = time.monotonic()
        items = read_all(source)
        took = time.monotonic() - begun
    finally:
        server.close()
    assert len(items) == 31
    assert all(is_picture(image, n) for n, (image, _) in enumerate(items))
    assert 0.95 < took < 10
    assert items[0][1] >= begun  # on the monotonic clock, as a camera's


def test_a_stream_that_is_refused_says_so_without_the_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    source = StreamSource(f"http://user:se@cret@127.0.0.1:{port}/live")
    assert source.name == f"http://127.0.0.1:{port}/live"
    with pytest.raises(SourceError) as error:
        source.open()
    text = one_line(error)
    assert text == f"http://127.0.0.1:{port}/live: cannot be opened (Connection refused). Check the address and the network."
    source.close()


def test_a_stream_that_is_no_video_says_so() -> None:
    server = Server(b"hello " * 500, "text/plain")
    try:
        with pytest.raises(SourceError, match=r"cannot be opened \(Invalid data"):
            StreamSource(server.url).open()
    finally:
        server.close()


def test_a_stream_that_stalls_is_lost_after_a_while(stalling: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STREAM_TIMEOUT_S", 0.5)
    with pytest.raises(SourceError) as error:
        read_all(StreamSource(stalling.url))
    assert one_line(error).startswith("http://127.0.0.1")


def test_a_stream_can_be_closed_under_a_read_that_hangs(stalling: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg would crash if its memory were freed under it, so the close must leave that to the reader."""
    monkeypatch.setattr(stream_module, "STREAM_TIMEOUT_S", 3.0)
    source = StreamSource(stalling.url)
    source.open()
    reader, errors = reading(source)
    deadline = time.monotonic() + 20
    while reader.is_alive() and time.monotonic() < deadline:
        begun = time.monotonic()
        source.close()
        assert time.monotonic() - begun < 2.5  # the read gives up after three seconds
        reader.join(0.05)
    assert len(errors) == 1
    source.close()
    assert source._container is None


# -- what a text names -----------------------------------------------------------------------------------------------


def test_texts_name_sources(tmp_path: Path, sample_picture: Path, demo_clip: Path) -> None:
    def index(text: str) -> int:
        camera = parse_source(text)
        assert isinstance(camera, CameraSource)
        return camera.index

    assert [index(text) for text in ("camera", "camera:0", "camera:2", "1")] == [0, 0, 2, 1]
    assert isinstance(parse_source("synthetic"), SyntheticSource)
    for url in ("rtsp://host/live", "http://host/clip.mp4", "HTTPS://host/x", "rtmp://host/x"):
        assert isinstance(parse_source(url), StreamSource)
    assert isinstance(parse_source(str(tmp_path)), FolderSource)
    assert isinstance(parse_source(str(sample_picture)), PictureSource)
    video = parse_source(str(demo_clip), loop=True)
    assert isinstance(video, VideoSource)
    assert video.loop


def test_a_camera_is_asked_for_the_mode_that_was_chosen() -> None:
    mode = Mode(640, 480, 60.0, "MJPG")
    assert parse_source("camera:1", requested=mode).requested == mode
    assert str(mode) == "640×480 at 60 fps, MJPG"


@pytest.mark.parametrize("text", ["", "nowhere.mp4", "camera:x", "/no/such/folder", "99999999999999999999"])
def test_a_text_that_names_nothing_says_what_could_be_given(text: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(text)
    assert "Give camera:0, a path, an address or synthetic" in one_line(error)


def test_a_picture_with_a_name_beyond_ascii(tmp_path: Path, sample_picture: Path) -> None:
    path = tmp_path / "Bild ü – 人.jpg"
    shutil.copy(sample_picture, path)
    assert read_all(parse_source(str(path)))[0][0].shape == (720, 1280, 3)
