"""How a recording starts and stops without a hand on the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

HandSign = Literal["off", "start", "start-stop"]
HAND_SIGNS: tuple[HandSign, ...] = get_args(HandSign)
COUNTDOWNS_S = (0, 3, 5, 10)
LONGEST_S = 24 * 3600.0

EndedBy = Literal["", "length", "nobody"]
"""What ended a recording: "" is the user, the end of the source, or an error; the others are the rules of StartStop."""


@dataclass(frozen=True, kw_only=True)
class StartStop:
    """What the user has chosen; 0 is off.

    The recording begins ``countdown_s`` after it was asked for. It stops by itself when it is ``stop_after_s`` long, and when
    everybody who was there has been gone for ``stop_empty_s``. ``hand`` says what a raised hand does (core/raised_hand.py): the
    recorder cannot see it, so whoever starts recordings acts on it.
    """

    countdown_s: float = 0.0
    stop_after_s: float = 0.0
    stop_empty_s: float = 0.0
    hand: HandSign = "off"

    def __post_init__(self) -> None:
        for name in ("countdown_s", "stop_after_s", "stop_empty_s"):
            value = getattr(self, name)
            if not 0 <= value <= LONGEST_S:
                raise ValueError(f"{name}: expected 0 to {LONGEST_S:g} s, got {value!r}. 0 is off.")


class StopRules:
    """Says when a recording is to stop by itself. The recorder asks it, with its lock held; times are s from the first frame."""

    def __init__(self, chosen: StartStop) -> None:
        self._chosen = chosen
        self._somebody_t: float | None = None  # when somebody was seen last; nobody can leave before that

    def captured(self, t: float) -> EndedBy:
        """A frame was captured at *t*: why it is not part of the recording any more, or ""."""
        return "length" if 0 < self._chosen.stop_after_s <= t else ""

    def analysed(self, t: float, somebody: bool) -> EndedBy:
        """The frame at *t* was analysed, and *somebody* was found in it: why the recording ends with it, or ""."""
        if somebody:
            self._somebody_t = t
        gone = self._somebody_t is not None and 0 < self._chosen.stop_empty_s <= t - self._somebody_t
        return "nobody" if gone else ""


def ended_text(ended_by: EndedBy) -> str:
    """What ended a recording, for people; "" where a rule did not."""
    return {"": "", "length": "The recording is as long as you chose.", "nobody": "Everybody has left."}[ended_by]
