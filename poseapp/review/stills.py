"""Still pictures of a person in a recording, drawn on and cut out around them, for a report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from poseapp.core.errors import PoseAppError
from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import even_hw
from poseapp.render import DrawOptions, annotate
from poseapp.review.drawn_frame import Present, drawn_frame
from poseapp.review.joined_clips import Pictures
from poseapp.review.player import open_video
from poseapp.review.recorded_part import Floats, PersonTrack, RecordedPart
from poseapp.review.saved_recording import SavedRecording

ASPECT = 0.9  # width by height of a still
TALL_PX = 900  # of a still: as much as a printer shows at its size in a report
_ROOM = 1.4  # times the body, from joint to joint: the head and the feet go beyond their joints
_MOST_ENLARGED = 3.0
_SAME_TIME_S = 0.05  # a video that has no picture near that time has been cut


def take_stills(
    recording: SavedRecording, part: RecordedPart, track: PersonTrack | None, rows: Sequence[int], draw: DrawOptions
) -> list[ImageArray]:
    """A picture (H, W, 3) uint8 BGR of each of *rows* of *part*, with *track* drawn on it and in the middle of it.

    All are cut out in the same place, so that they can be compared; without *track* they are whole. ``draw.blur_faces`` hides
    the faces of everybody. Pictures that the recording does not have are black, and so are all where it has no video.
    """
    with _video(recording, draw) as (reader, is_drawn):
        pictures = [_picture(part, row, reader, draw) for row in rows]
    if track is None:
        return pictures
    drawn = replace(
        draw, background="picture", blur_faces=False, skeleton=not is_drawn, mirror=False, heatmaps=False, fields=False
    )
    box = _around(part, track, rows, draw.threshold, pictures)
    return [_drawn(part, track, row, picture, drawn, box) for row, picture in zip(rows, pictures, strict=True)]


@contextlib.contextmanager
def _video(recording: SavedRecording, draw: DrawOptions) -> Iterator[tuple[Pictures | None, bool]]:
    """The reader of the recording's video, None where there is none; and whether the skeleton is on its pictures."""
    reader, is_drawn = None, False
    if draw.background == "picture":
        with contextlib.suppress(PoseAppError):  # the joints alone are worth a report
            reader, is_drawn, _ = open_video(recording.folder)
    try:
        yield reader, is_drawn
    finally:
        if reader is not None:
            reader.close()


def _picture(part: RecordedPart, row: int, reader: Pictures | None, draw: DrawOptions) -> ImageArray:
    """Row *row* before the person is drawn: its picture, with the faces of everybody blurred where asked for."""
    image = _from_video(reader, float(part.times[row])) if reader is not None else None
    if image is None:
        width, height = part.sizes[row].tolist()
        image = np.zeros((*even_hw((height, width)), 3), np.uint8)
    everybody = [(one, int(np.searchsorted(one.rows, row))) for one in part.people.values() if row in one.rows]
    joints = np.array([joints_of(one)[at] for one, at in everybody])
    hidden = DrawOptions(skeleton=False, blur_faces=draw.blur_faces, background=draw.background)
    return annotate(drawn_frame(part, row, everybody, joints, image, several=False), hidden)


def _from_video(reader: Pictures, t: float) -> ImageArray | None:
    """The picture at *t* s of the recording; None where there is none, or it is damaged."""
    times = reader.times_s + reader.start_s
    number = int(np.abs(times - t).argmin())
    if abs(times[number] - t) > _SAME_TIME_S:
        return None
    with contextlib.suppress(PoseAppError):
        return np.ascontiguousarray(reader.picture(number))
    return None


def joints_of(track: PersonTrack) -> Floats:
    """The joints (n, K, 2) of *track* that the window shows: the smoothed ones where there are any."""
    return np.where(np.isnan(track.smoothed), track.xy, track.smoothed)


def _present(track: PersonTrack, row: int) -> Present:
    return [(track, int(np.searchsorted(track.rows, row)))]


def _around(
    part: RecordedPart, track: PersonTrack, rows: Sequence[int], threshold: float, pictures: Sequence[ImageArray]
) -> tuple[float, float, float, float] | None:
    """The box (left, top, width, height) in px of the pictures that holds the person in all of *rows*; None for all of them."""
    if len({picture.shape for picture in pictures}) != 1:
        return None
    found = []
    for row, picture in zip(rows, pictures, strict=True):
        people = _present(track, row)
        poses = drawn_frame(part, row, people, joints_of(track)[people[0][1]], picture, several=False).poses
        found.append(poses.xy[0][poses.score[0] >= threshold])
    xy = np.concatenate(found)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if len(xy) < 2:
        return None
    (left, top), (right, bottom) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    h, w = pictures[0].shape[:2]
    height = min(max(bottom - top, (right - left) / ASPECT, h / 20) * _ROOM, h)
    width = min(height * ASPECT, w)
    x = min(max((left + right - width) / 2, 0), w - width)
    y = min(max((top + bottom - height) / 2, 0), h - height)
    return x, y, width, height


def _drawn(
    part: RecordedPart,
    track: PersonTrack,
    row: int,
    picture: ImageArray,
    draw: DrawOptions,
    box: tuple[float, float, float, float] | None,
) -> ImageArray:
    """*picture* with the person on it, cut out as *box* says; drawn at its final size, so that lines are sharp."""
    h, w = picture.shape[:2]
    left, top, width, height = box or (0.0, 0.0, float(w), float(h))
    scale = min(TALL_PX / height, _MOST_ENLARGED)
    people = _present(track, row)
    frame = drawn_frame(part, row, people, joints_of(track)[people[0][1]], picture, several=False)
    whole = annotate(frame, draw, hw=(round(h * scale), round(w * scale)))
    x, y = round(left * scale), round(top * scale)
    return np.ascontiguousarray(whole[y : y + round(height * scale), x : x + round(width * scale)])
