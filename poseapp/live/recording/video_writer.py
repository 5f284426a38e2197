"""Videos that are written: H.264 in Matroska, with true times, rates and colours, and pictures of one size."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange

from poseapp.core.types import ImageArray
from poseapp.live.recording.matroska import WholePictures, h264_cluster
from poseapp.live.recording.yuv import BT601, BT709, Yuv420
from poseapp.live.sources.frames import is_hd

TIME_BASE = Fraction(1, 1000)  # Matroska counts milliseconds
ENCODER_TIME_BASE = Fraction(1, 1_000_000)  # the encoder wants every picture later than the one before
MOST_LATE_MS = 2  # how much later than it was a picture may be shown, so that it comes after the one before
LIKELY_FPS = 30  # of a source that does not say
LOWEST_FPS, HIGHEST_FPS = 0.01, 59  # in the header of a file that is not closed yet; four bytes of ns begin at 59.6 fps
TAG_BT709, TAG_BT601 = 1, 6  # ITU-T H.273: matrix, primaries and transfer
DEFAULT_DURATION = b"\x23\xe3\x83"  # of a picture in ns, in Matroska's track header
KEY_PICTURES = 30  # how far apart: to show a picture, all from the key picture before it are decoded
ONE_THREAD_PIXELS = 1920 * 1088  # which x264 encodes in about 10 ms
FIRST_PICTURE_MS = 100  # how long the first picture stays, as far as is known


class VideoWriter:
    """H.264 in Matroska with a presentation time for every picture.

    *fps* is the source's rate as far as it is known, for the file's header; when the file is closed, the rate that the
    pictures really had takes its place.
    """

    def __init__(self, path: Path, hw: tuple[int, int], fps: float = 0.0) -> None:
        self._path = path
        self._hw = even_hw(hw)
        self._file = WholePictures(path)
        # A cluster for each picture: all but the newest one are in what the file has been given. And a checksum would no longer
        # fit a header that is corrected.
        options = {"flush_packets": "1", "cluster_time_limit": "0", "write_crc32": "0"}
        self._container = av.open(self._file, "w", format="matroska", options=options)
        stream = self._container.add_stream("libx264", rate=_header_rate(fps))
        stream.height, stream.width = self._hw
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = ENCODER_TIME_BASE
        # A player goes by the tags, or by the size: both must give the colours that went in.
        self._yuv = Yuv420(self._hw, BT709 if is_hd(self._hw) else BT601)
        context = stream.codec_context
        context.colorspace = TAG_BT709 if is_hd(self._hw) else TAG_BT601
        context.color_primaries = context.color_trc = TAG_BT709
        context.color_range = ColorRange.MPEG
        # No look-ahead and no B-frames: a picture that went in has come out, so a crash loses none of them.
        # One thread while that is fast enough: several wait for each other, on a busy machine for a tenth of a second a picture.
        threads = {"threads": "1"} if self._hw[0] * self._hw[1] <= ONE_THREAD_PIXELS else {}
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "g": str(KEY_PICTURES), **threads}
        self._container.start_encoding()  # opens the encoder; the header waits in the file object for the first picture
        self._stream = stream
        self._last_encoder_pts = self._last_pts = -1
        self._first_pts, self._pictures = 0, 0
        self._last_step = FIRST_PICTURE_MS

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the video, both even."""
        return self._hw

    def write(self, image: ImageArray, t: float) -> None:
        """Add (H, W, 3) uint8 BGR at *t* s from the start; another size is fitted in with black borders."""
        if image.shape[:2] != self._hw:
            image = fit_into(image, self._hw)
        frame = self._yuv.convert(image)
        frame.pts = self._last_encoder_pts = max(round(t / ENCODER_TIME_BASE), self._last_encoder_pts + 1)
        frame.time_base = ENCODER_TIME_BASE
        pts = self._milliseconds(t)
        step = pts - self._last_pts if self._last_pts >= 0 else FIRST_PICTURE_MS
        for packet in self._stream.encode(frame):
            packet.time_base, packet.pts, packet.dts = TIME_BASE, pts, pts
            # How long it will be shown is not known yet: as long as those before it, but for a gap among them. So
            # the last one has its share of the duration, as players and ffprobe count it.
            packet.duration = min(step, self._last_step)
            newest = h264_cluster(bytes(packet), pts, packet.is_keyframe)  # the encoder holds nothing back
            self._container.mux(packet)
            self._file.commit(newest)
        if self._pictures == 0:
            self._first_pts = pts
        self._last_pts, self._last_step = pts, step
        self._pictures += 1

    def _milliseconds(self, t: float) -> int:
        """The file's time of a picture at *t* s, after the one before; where that would add up, the same as the one before."""
        pts = round(t / TIME_BASE)
        if pts > self._last_pts:
            return pts
        return self._last_pts + 1 if self._last_pts + 1 - pts <= MOST_LATE_MS else self._last_pts

    def close(self) -> None:
        """Write what is still in the encoder and finish the file."""
        with contextlib.ExitStack() as at_the_end:
            at_the_end.callback(self._file.close)
            at_the_end.callback(self._container.close)
            self._container.mux(self._stream.encode(None))
        if self._pictures > 1:
            set_rate(self._path, (self._last_pts - self._first_pts) * 1_000_000 // (self._pictures - 1))


def _header_rate(fps: float) -> Fraction:
    """The rate for the header until the true one is known: not so high that its period would leave that one too little room."""
    return Fraction(min(fps, HIGHEST_FPS)).limit_denominator(1001) if fps >= LOWEST_FPS else Fraction(LIKELY_FPS)


def set_rate(path: Path, period_ns: int) -> None:
    """Correct the DefaultDuration of the video in a Matroska file; it goes where the new one needs more room."""
    with path.open("r+b") as file:
        header = file.read(4096)
        at = header.find(DEFAULT_DURATION)
        length = header[at + 3] - 0x80 if 0 <= at < len(header) - 12 else 0
        if not 1 <= length <= 8:
            return
        file.seek(at)
        if 0 < period_ns < 1 << (8 * length):
            file.write(DEFAULT_DURATION + bytes([0x80 + length]) + period_ns.to_bytes(length, "big"))
        else:  # a Void element of the same length: the file then says nothing
            file.write(bytes([0xEC, 0x80 + length + 2]) + bytes(length + 2))


def even_hw(hw: tuple[int, int]) -> tuple[int, int]:
    """The size of a video whose first picture has size *hw*: 4:2:0 colour needs even sides."""
    return hw[0] + hw[0] % 2, hw[1] + hw[1] % 2


def placement(hw: tuple[int, int], video_hw: tuple[int, int]) -> tuple[float, float, float] | None:
    """Where a picture of size *hw* lies in a video of size *video_hw*: (scale, x, y).

    A joint at (u, v) in the picture is at (scale u + x, scale v + y) in the video. None where these are the same place.
    """
    (h, w), (height, width) = hw, video_hw
    if h <= height and w <= width and (height - h) + (width - w) <= 2:  # only made even
        return None
    scale = min(height / h, width / w)
    size = _fitted_size(hw, video_hw)
    # An integer is the centre of a pixel.
    return scale, (width - size[0]) // 2 + (scale - 1) / 2, (height - size[1]) // 2 + (scale - 1) / 2


def _fitted_size(hw: tuple[int, int], video_hw: tuple[int, int]) -> tuple[int, int]:
    scale = min(video_hw[0] / hw[0], video_hw[1] / hw[1])
    return max(1, round(hw[1] * scale)), max(1, round(hw[0] * scale))


def fit_into(image: ImageArray, hw: tuple[int, int]) -> ImageArray:
    """*image* (H, W, 3) in a picture of *hw*, scaled as a whole, with black bars where the aspect differs."""
    h, w = image.shape[:2]
    out = np.zeros((*hw, 3), np.uint8)
    if placement((h, w), hw) is None:
        out[:h, :w] = image
        return out
    size = _fitted_size((h, w), hw)
    y, x = (hw[0] - size[1]) // 2, (hw[1] - size[0]) // 2
    out[y : y + size[1], x : x + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return out
