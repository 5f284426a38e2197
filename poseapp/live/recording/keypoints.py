"""``keypoints.jsonl``: the joints of a recording, one JSON object on a line for each analysed frame, UTF-8.

All lines of a file have the same joints. Where another model has others, a new segment of the recording begins, with the files
``keypoints-2.jsonl`` and ``annotated-2.mkv``; numbers, times and identities go on.

The lines are in the order of the frames. Each line is written whole, before its frame goes into a video, so every picture has a
line. ``session.json`` in the same folder names the schema and the joints. Schema 3:

================ ===================== ===================================================================================
key              type                  meaning
================ ===================== ===================================================================================
frame            int ≥ 0               the frame's number in the source, from the first captured one. A gap is a frame that was
                                       lost, that the model was too slow for, or that could not be read
t                float                 s from the first captured frame, by the capture times; six decimals. The pictures of all
                                       videos have the same time, to the ms
size             [int, int]            width and height of the frame, px
file             str                   of pictures only: the picture's path in its folder. Each stands alone: nobody is the same
                                       person in two of them, nothing is smoothed or predicted, and t only orders them
fitted           [float, float, float] only where the frame is scaled into the video, whose size is that of the first one:
                                       scale, x and y. A joint at (u, v) is at (scale u + x, scale v + y) of the video
locked           int                   only while the user holds on to a person: that person's ``id``
people           list                  the people in the frame; may be empty
================ ===================== ===================================================================================

Each person:

================ ===================== ===================================================================================
id               int ≥ 1               the person's number, the same in each frame; none is given twice in a recording
score            float 0..1            how sure the person is; four decimals
keypoints        K × [x, y, score]     the joints as they were found, in the order of the skeleton of the segment in
                                       ``session.json``. x and y in px of the frame, two decimals; an integer is the centre of
                                       a pixel. Both are null where the joint is missing. score is 0..1, four decimals
smoothed         K × [x, y]            only while smoothing is on: the same joints, steadied; null as above
predicted        true                  only where the network did not look at the person in this frame: the joints are where they
                                       are expected
================ ===================== ===================================================================================

JSON has no NaN: a missing coordinate is null. Schema 1 says ``carried`` for ``predicted``; otherwise 1, 2 and 3 are the same.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
from pathlib import Path
from typing import Any

from poseapp.core.errors import RecordError
from poseapp.core.json_files import parse_json
from poseapp.core.types import Result
from poseapp.live.recording.folder import private
from poseapp.live.recording.video_writer import even_hw, placement

KEYPOINTS, ANNOTATED = "keypoints.jsonl", "annotated.mkv"
_NAMES_OF_SCHEMA_1 = {"carried": "predicted"}


class KeypointsWriter:
    """Writes ``keypoints.jsonl``. Unbuffered: every line is with the system, in one piece, as soon as it is made."""

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(str(path), "w", opener=private)
        self._video_hw = (0, 0)  # none yet

    def write(self, result: Result, number: int, t: float) -> None:
        """See RecordingWriter."""
        if self._video_hw == (0, 0):
            self._video_hw = even_hw(result.frame.hw)
        video_hw = None if result.frame.is_still else self._video_hw  # a still has its own size
        append_line(self._file, json.dumps(keypoints_of(result, number, t, video_hw), separators=(",", ":")))

    def close(self) -> None:
        """See RecordingWriter."""
        self._file.close()


def keypoints_of(result: Result, number: int, t: float, video_hw: tuple[int, int] | None = None) -> dict[str, Any]:
    """The line of frame *number* at *t* s, as the module describes it; *video_hw* is the size of the videos, if there are any."""
    hw = result.frame.hw
    line: dict[str, Any] = {"frame": number, "t": round(t, 6), "size": [hw[1], hw[0]]}
    if result.frame.file:
        line["file"] = result.frame.file
    fitted = placement(hw, video_hw) if video_hw is not None else None
    if fitted is not None:
        line["fitted"] = [round(part, 6) for part in fitted]
    if result.locked is not None:
        line["locked"] = result.locked
    line["people"] = [_person(result, n) for n in range(len(result.poses))]
    return line


def _person(result: Result, n: int) -> dict[str, Any]:
    """Person n of *result*."""
    poses = result.poses
    person: dict[str, Any] = {
        "id": int(poses.ids[n]),
        "score": round(float(poses.person_score[n]), 4),
        "keypoints": [
            [*_place(x, y), round(score, 4)] for (x, y), score in zip(poses.xy[n].tolist(), poses.score[n].tolist(), strict=True)
        ],
    }
    if result.smoothed is not None:
        person["smoothed"] = [_place(x, y) for x, y in result.smoothed.xy[n].tolist()]
    if int(poses.ids[n]) in result.predicted:
        person["predicted"] = True
    return person


def _place(x: float, y: float) -> list[float | None]:
    return [round(x, 2), round(y, 2)] if math.isfinite(x) and math.isfinite(y) else [None, None]


def append_line(file: io.FileIO, line: str) -> None:
    """Write *line* and its end whole or not at all; raises OSError."""
    content = line.encode() + b"\n"
    end = file.tell()
    if file.write(content) != len(content):  # the disk took a part of it
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_line(content: bytes, where: str) -> dict[str, Any]:
    """The line *content* with the keys of schema 3; *where* begins the RecordError where it is damaged."""

    def wrong(what: str) -> RecordError:
        return RecordError(f"{where}: {what}. Copy the recording again.")

    line = parse_json(content, wrong)
    if not isinstance(line, dict) or not isinstance(line.get("people"), list):
        raise wrong("expected a JSON object with people")
    if not all(isinstance(person, dict) for person in line["people"]):
        raise wrong("expected each person to be a JSON object")
    line["people"] = [{_NAMES_OF_SCHEMA_1.get(key, key): value for key, value in person.items()} for person in line["people"]]
    return line
