"""What became of the frames of a recording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Frames of a recording, from its first captured one to its last.

    ``captured`` frames came from the source. Of these, ``analysed`` ones were worked on by the model before the recording ended.
    The recorder has ``written`` so many of the analysed ones (a line and an annotated picture each) and ``lost`` the others; they
    came too fast for the disk or the encoder. The clean video, where it was asked for, has ``clean_written`` of the captured
    frames and has ``clean_lost`` the others; both are 0 without it. ``unreadable`` pictures of the source were damaged: their
    numbers are left out.

    When a recording has ended, ``analysed = written + lost`` and, with a clean video, ``captured = clean_written + clean_lost``.
    """

    captured: int = 0
    analysed: int = 0
    written: int = 0
    lost: int = 0
    clean_written: int = 0
    clean_lost: int = 0
    unreadable: int = 0

    @property
    def not_analysed(self) -> int:
        """Captured frames that the model did not work on: they came too fast, or there was no model yet."""
        return self.captured - self.analysed

    @property
    def all_lost(self) -> int:
        """Frames that the recorder has lost, of any file."""
        return self.lost + self.clean_lost

    def sentence(self) -> str:
        """All counts that are not 0, for people: "193 captured, 49 analysed, 49 written"."""
        parts = [f"{self.captured} captured", f"{self.analysed} analysed", f"{self.written} written"]
        if self.clean_written or self.clean_lost:
            parts.append(f"{self.clean_written} in the clean video")
        parts.append(f"{self.all_lost} lost by the recorder")
        if self.unreadable:
            parts.append(f"{self.unreadable} unreadable")
        return ", ".join(parts)
