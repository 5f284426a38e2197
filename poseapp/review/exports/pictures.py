"""A folder of pictures with the skeletons of the recording, each of its own size and name.

The pictures are those in the folder ``clean`` of the recording; without it there are black and green only.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from poseapp.core.errors import ExportError
from poseapp.core.types import ImageArray
from poseapp.live.recording.picture_files import pictures_folder, write_picture
from poseapp.render import annotate
from poseapp.review.exports.base import Take
from poseapp.review.exports.video import CLEAN, result_of
from poseapp.review.picture_reader import PictureReader


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Raises ExportError where pictures are wanted and there are none, SourceError where they are damaged."""
    least, draw = take.options.least_score, take.options.draw
    draw = draw if least is None else replace(draw, threshold=least)
    part, clean = take.part, pictures_folder(take.recording.folder / CLEAN)
    on_picture = draw.background == "picture"
    if on_picture and not clean.is_dir():
        raise ExportError(
            f"{take.recording.folder}: has no folder {clean.name}, on whose pictures the skeletons are drawn. "
            "Choose a black background (--background black), or record with the clean pictures (--clean-video)."
        )
    reader = PictureReader([clean], part.files)
    for row, people in take.in_order():
        width, height = part.sizes[row].tolist()
        image: ImageArray = reader.picture(row) if on_picture else np.zeros((height, width, 3), np.uint8)
        write_picture(path, part.files[row], annotate(result_of(take, row, people, image), draw))
