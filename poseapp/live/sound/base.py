"""What a microphone is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SoundArray = NDArray[np.int16]


@dataclass(frozen=True)
class SoundMode:
    """What a microphone gives: so many samples a second, of one channel."""

    rate: int


@dataclass(frozen=True, eq=False)
class SoundBlock:
    """A piece of sound: ``samples`` (n,) int16, the first of which was heard at ``t`` s on the monotonic clock."""

    samples: SoundArray
    t: float


Deliver = Callable[[SoundBlock], None]


class Microphone(Protocol):
    """A microphone. One thread calls ``open`` and then ``close``, each once; either may take long.

    Between the two, *deliver* is called with one block after the other, on any thread; it returns at once. Times may be wrong by
    some ms from block to block. What the microphone has lost shows as a gap between the times.
    """

    name: str

    def open(self, deliver: Deliver) -> SoundMode:
        """Begin to listen. Raises SoundError, with what the user can do."""
        ...

    def close(self) -> None:
        """Stop listening: *deliver* is not called any more when it returns. Also after ``open`` has failed."""
        ...
