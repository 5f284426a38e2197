"""The videos of a recording's segments, shown as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import ImageArray
from poseapp.review.clip_reader import ClipReader


class Pictures(Protocol):
    """The pictures of a recording by their numbers; ``ClipReader`` has those of one file."""

    name: str
    times_s: NDArray[np.float64]
    start_s: float

    def __len__(self) -> int:
        """How many there are."""
        ...

    def picture(self, number: int) -> ImageArray:
        """See ClipReader."""
        ...

    def close(self) -> None:
        """Close the files; safe to call twice."""
        ...


class JoinedClips:
    """The pictures of *readers*, at least one, one file after another. Their times count from the same moment."""

    def __init__(self, readers: Sequence[ClipReader]) -> None:
        self._readers = readers
        self.name = readers[0].name
        self.start_s = readers[0].start_s
        self.times_s: NDArray[np.float64] = np.concatenate([one.times_s + (one.start_s - self.start_s) for one in readers])
        self._first = np.cumsum([0, *(len(one) for one in readers)])

    def __len__(self) -> int:
        return len(self.times_s)

    def picture(self, number: int) -> ImageArray:
        """Picture *number* of all; see ClipReader."""
        which = int(np.searchsorted(self._first, number, side="right")) - 1
        return self._readers[which].picture(number - int(self._first[which]))

    def close(self) -> None:
        """See Pictures."""
        for reader in self._readers:
            reader.close()
