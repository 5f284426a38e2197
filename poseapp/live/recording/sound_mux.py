"""Puts the sound of a recording into its videos, without encoding anything again."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from poseapp.live.recording.folder import private
from poseapp.live.recording.video_writer import set_rate

TAIL_S = 0.2  # how much later than the last picture of a video its sound may end


def add_sound(video: Path, sound: Path) -> None:
    """Put what *sound* has of the time of *video* into it; both are Matroska files with times on one clock.

    The video is written anew beside itself and replaced as a whole. Raises OSError or FFmpegError; it is as before then.
    """
    part = video.with_name(f".{video.name}.part")
    try:
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(open(part, "wb", opener=private))
            pictures = opened.enter_context(av.open(str(video)))
            heard = opened.enter_context(av.open(str(sound)))
            out = opened.enter_context(av.open(file, "w", format="matroska"))
            picture, track = pictures.streams.video[0], heard.streams.audio[0]
            streams = {
                id(picture): out.add_stream_from_template(picture),
                id(track): out.add_stream_from_template(track),
            }
            times = _times(video)
            first_s, last_s = (times[0], times[-1]) if times else (0.0, 0.0)
            sounds = (one for one in _packets(heard, track) if first_s - TAIL_S < one[0] <= last_s + TAIL_S)
            for _, _, packet in heapq.merge(_packets(pictures, picture), sounds, key=lambda one: one[0]):
                packet.stream = streams[id(picture if packet.stream is picture else track)]
                out.mux(packet)
        if len(times) > 1:
            set_rate(part, round((last_s - first_s) * 1e9) // (len(times) - 1))  # as the video had it
        os.replace(part, video)
    finally:
        part.unlink(missing_ok=True)


def _times(video: Path) -> list[float]:
    """The times of the pictures, s."""
    with av.open(str(video)) as container:
        return [t for t, _, _ in _packets(container, container.streams.video[0])]


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[tuple[float, int, Any]]:
    """Time in s, number and packet, in order."""
    for number, packet in enumerate(container.demux(stream)):
        if packet.dts is not None and packet.time_base is not None:
            yield float(packet.dts * packet.time_base), number, packet
