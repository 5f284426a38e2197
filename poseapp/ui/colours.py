"""The colours of the two themes."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor


def mix(a: str, b: str, share_of_b: float) -> QColor:
    """A colour between *a* and *b*."""
    one, two = QColor(a), QColor(b)
    keep = 1.0 - share_of_b
    return QColor(
        round(one.red() * keep + two.red() * share_of_b),
        round(one.green() * keep + two.green() * share_of_b),
        round(one.blue() * keep + two.blue() * share_of_b),
    )


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, #rrggbb.

    Whatever is written has a contrast of at least 4.5 : 1 to what it is written on; see ``written``.
    """

    dark: bool
    window: str
    surface: str  # cards, bars
    raised: str  # fields, buttons
    hover: str
    border: str
    text: str
    muted: str  # second rank, still to be read
    accent: str
    accent_hover: str
    on_accent: str
    ring: str  # around what has the keyboard's focus
    danger: str
    warning: str
    success: str
    info: str
    left: str  # the left side of the body
    right: str
    middle: str
    stage: str  # behind the picture
    track: str  # empty part of a bar or slider

    @property
    def chosen(self) -> str:
        """Behind what is switched on."""
        return mix(self.accent, self.surface, 0.68).name()

    @property
    def chosen_hover(self) -> str:
        """The same under the pointer."""
        return mix(self.accent, self.surface, 0.55).name()

    @property
    def pressed(self) -> str:
        """Behind what is pressed."""
        return mix(self.muted, self.surface, 0.6).name()

    def tinted(self, level: str) -> str:
        """Behind a notice of *level*: danger, warning, success or info."""
        return mix(getattr(self, level), self.surface, 0.84).name()

    @property
    def disabled(self) -> str:
        """What cannot be used now; it need not be read."""
        return mix(self.muted, self.surface, 0.45).name()

    def written(self) -> list[tuple[str, str]]:
        """Every pair of colours of which the first is written on the second."""
        grounds = [self.window, self.surface, self.raised, self.hover]
        tints = [self.tinted(level) for level in ("danger", "warning", "success", "info")]
        pairs = [(self.text, ground) for ground in (*grounds, *tints, self.pressed, self.chosen, self.chosen_hover)]
        pairs += [(self.muted, ground) for ground in grounds]
        pairs += [(self.on_accent, self.accent), (self.on_accent, self.accent_hover)]
        levels = (self.danger, self.warning, self.left, self.right, self.middle)
        return pairs + [(colour, ground) for colour in levels for ground in grounds[:3]]


DARK = Theme(
    dark=True,
    window="#101218",
    surface="#171a22",
    raised="#232833",
    hover="#2d3340",
    border="#2b303c",
    text="#eceef4",
    muted="#a3abbb",
    accent="#6e5cf6",
    accent_hover="#5f4ce8",
    on_accent="#ffffff",
    ring="#ffffff",
    danger="#ff5468",
    warning="#ffb547",
    success="#35cf8c",
    info="#5aa9ff",
    left="#3cbeff",
    right="#ff8c28",
    middle="#e6e8ee",
    stage="#090a0e",
    track="#2b303c",
)
LIGHT = Theme(
    dark=False,
    window="#eef0f5",
    surface="#ffffff",
    raised="#f3f4f8",
    hover="#e6e9f0",
    border="#d9dde6",
    text="#171a22",
    muted="#586071",
    accent="#5a49e8",
    accent_hover="#4a3ad2",
    on_accent="#ffffff",
    ring="#171a22",
    danger="#c81f36",
    warning="#965600",
    success="#128256",
    info="#1c6fd1",
    left="#0a6ea8",
    right="#a84f00",
    middle="#586071",
    stage="#15171d",
    track="#dfe3eb",
)


@dataclass(frozen=True)
class Veil:
    """What is written over the picture, in both themes: a dark ground of some opacity (0..255), and the texts on it."""

    ground: str
    opacity: int
    text: str
    muted: str

    @property
    def over_white(self) -> str:
        """The ground where the picture behind it is white: there it is hardest to read."""
        return mix(self.ground, "#ffffff", 1 - self.opacity / 255).name()


CARD = Veil("#101218", 225, "#f2f4f8", "#b6bdca")
CHIP = Veil("#0c0e14", 205, "#f4f6fa", "#f4f6fa")
