"""The pictures of a recording of stills, by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import RecordError
from poseapp.core.types import ImageArray
from poseapp.live.recording.picture_files import picture_path
from poseapp.live.sources.base import shown
from poseapp.live.sources.pictures import read_picture

STILL_S = 2.0  # how long each still is shown when they are played: they have no times of their own


class PictureReader:
    """Gives the picture of each of *files*, paths as ``keypoints.jsonl`` has them, in the first of *folders* where it is.

    It is used as ``ClipReader`` is. Each picture has its own size.
    """

    start_s = 0.0

    def __init__(self, folders: Sequence[Path], files: Sequence[str]) -> None:
        self._folders, self._files = folders, files
        self.name = folders[0].name
        self.times_s: NDArray[np.float64] = np.array([STILL_S * number for number in range(len(files))])

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, number: int) -> ImageArray:
        """Picture *number*, (H, W, 3) uint8 BGR. Raises RecordError or SourceError where it cannot be read."""
        paths = [path for folder in self._folders if (path := picture_path(folder, self._files[number])) is not None]
        if not paths:
            raise RecordError(f"{shown(self._files[number])}: expected a picture within the recording. Copy the recording again.")
        return read_picture(next((path for path in paths if path.is_file()), paths[0]))

    def close(self) -> None:
        """Nothing is open between two pictures."""
