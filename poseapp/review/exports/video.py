"""A video with the skeletons of the recording, on its pictures or on black or green: to show people, or to hide them.

The pictures are those of ``clean.mkv``, each with the joints of its own frame. Without that video there are black and green only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from poseapp.core.errors import ExportError
from poseapp.core.types import ImageArray, Result
from poseapp.live.recording.video_writer import VideoWriter, even_hw
from poseapp.live.sources.video import VideoSource
from poseapp.render import annotate
from poseapp.review.drawn_frame import Present, drawn_frame
from poseapp.review.exports.base import Take

CLEAN = "clean.mkv"
_SAME_TIME_S = 0.004  # the videos count ms, and a picture may be 2 ms late


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Raises ExportError where pictures are wanted and there are none, SourceError where they are damaged."""
    least, draw = take.options.least_score, take.options.draw
    draw = draw if least is None else replace(draw, threshold=least)
    writer: VideoWriter | None = None
    canvas: ImageArray | None = None
    try:
        for row, people, image in _pictures(take):
            result = result_of(take, row, people, image)
            canvas = annotate(result, draw, canvas)
            writer = writer or VideoWriter(path, canvas.shape[:2], take.fps)
            writer.write(canvas, float(take.part.times[row]))
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise ExportError(f"{take.name}: {CLEAN} has none of the frames. Choose a black background (--background black).")


def _pictures(take: Take) -> Iterator[tuple[int, Present, ImageArray]]:
    """Each row with the people in it and its picture; a row without a picture is left out."""
    rows = list(take.in_order())
    if take.options.draw.background != "picture":
        width, height = take.part.sizes[0].tolist()
        empty = np.zeros((*even_hw((height, width)), 3), np.uint8)
        for row, people in rows:
            yield row, people, empty
        return
    place = take.recording.folder / CLEAN
    if not place.is_file():
        raise ExportError(
            f"{take.recording.folder}: has no {CLEAN}, whose pictures the skeletons are drawn on. "
            "Choose a black background (--background black), or record with the clean video."
        )
    source = VideoSource(place)
    source.open()
    try:
        item, after = source.read(), source.read()
        for row, people in rows:
            t = float(take.part.times[row])
            while item is not None and after is not None and abs(after[1] - t) < abs(item[1] - t):
                item, after = after, source.read()
            if item is not None and abs(item[1] - t) <= _SAME_TIME_S:
                yield row, people, item[0]
    finally:
        source.close()


def result_of(take: Take, row: int, people: Present, image: ImageArray) -> Result:
    """The frame as the recorder had it, on *image*, which has the size of the video."""
    # All joints, also those of a low score, which are not drawn: they may be a face that is to be hidden.
    whole = [(take.part.people[track.id], at) for track, at in people]
    joints = np.array([take.xy(track)[at] for track, at in whole])
    return drawn_frame(take.part, row, whole, joints, image, several=len(take.people) > 1)
