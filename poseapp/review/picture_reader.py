"""The pictures of a recording of stills, by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import RecordError
from poseapp.core.types import ImageArray
from poseapp.live.recording.picture_files import picture_path
from poseapp.live.sources.base import shown
from poseapp.live.sources.pictures import read_picture

STILL_S = 2.0  # how long each still is shown when they are played: they have no times of their own


@dataclass(frozen=True)
class PictureReader:
    """Gives the picture of each of *files*, paths in *folder* as ``keypoints.jsonl`` has them, as ``ClipReader`` gives those of a
    video. Each has its own size.
    """

    folder: Path
    files: Sequence[str]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each is shown, in s from the first one."""
        return np.array([STILL_S * number for number in range(len(self.files))])

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, number: int) -> ImageArray:
        """Picture *number*, (H, W, 3) uint8 BGR. Raises RecordError or SourceError where it cannot be read."""
        path = picture_path(self.folder, self.files[number])
        if path is None:
            raise RecordError(f"{shown(self.files[number])}: expected a picture within the recording. Copy the recording again.")
        return read_picture(path)

    def close(self) -> None:
        """Nothing is open between two pictures."""
