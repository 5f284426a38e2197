"""The options of run that say how a recording is made; the window takes them over, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

RECORDING = "Recordings"  # title in --help

CleanVideo = Annotated[
    bool,
    typer.Option("--clean-video", help="Also record every captured picture, without the skeleton.", rich_help_panel=RECORDING),
]
Name = Annotated[
    str,
    typer.Option(
        "--name", metavar="NAME", help="Name of the recording.", rich_help_panel=RECORDING, show_default="date and time"
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="A tag of the recording; may be repeated.", rich_help_panel=RECORDING),
]
Countdown = Annotated[
    float | None,
    typer.Option(
        "--countdown",
        metavar="SECONDS",
        min=0,
        max=60,
        help="Count down before the recording begins; for cameras and streams.",
        rich_help_panel=RECORDING,
        show_default="0",
    ),
]
StopAfter = Annotated[
    float | None,
    typer.Option(
        "--stop-after",
        metavar="SECONDS",
        min=0,
        max=86400,
        help="Stop the recording when it is so long; 0 is off.",
        rich_help_panel=RECORDING,
        show_default="0",
    ),
]
StopWhenEmpty = Annotated[
    float | None,
    typer.Option(
        "--stop-when-empty",
        metavar="SECONDS",
        min=0,
        max=86400,
        help="Stop the recording when everybody has been gone for so long; 0 is off.",
        rich_help_panel=RECORDING,
        show_default="0",
    ),
]
Hand = Annotated[
    str | None,
    typer.Option(
        "--hand",
        metavar="WHAT",
        help="What one hand above the head for 2 s does: off, start (a recording), or start-stop (stops it, too).",
        rich_help_panel=RECORDING,
        show_default="off",
        callback=lambda value: _checked(value),
    ),
]
Microphone = Annotated[
    str | None,
    typer.Option(
        "--microphone",
        metavar="NAME",
        help="Record sound, too: default, a part of the name of a microphone, or off. For cameras and streams.",
        rich_help_panel=RECORDING,
        show_default="off",
    ),
]


def _checked(value: str | None) -> str | None:
    from poseapp.live.recording import HAND_SIGNS

    if value is not None and value not in HAND_SIGNS:
        raise typer.BadParameter(f"expected {', '.join(HAND_SIGNS)}, got {value}.")
    return value


@dataclass(frozen=True, kw_only=True)
class RecordChoices:
    """How recordings are made. None was not given: the window then takes its last choice, a run without a window 0 or "off"."""

    clean_video: bool = False
    name: str = ""
    tags: tuple[str, ...] = ()
    countdown_s: float | None = None
    stop_after_s: float | None = None
    stop_empty_s: float | None = None
    hand: str | None = None
    microphone: str | None = None

    def start_stop(self) -> dict[str, Any]:
        """The fields of StartStop that were given."""
        names = ("countdown_s", "stop_after_s", "stop_empty_s", "hand")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def typed_name(self) -> str:
        """Name and tags as the window's field has them: "Squats left #knee"."""
        from poseapp.live.recording import joined_name

        return joined_name(self.name, ["-".join(tag.split()) for tag in self.tags])  # there a space ends a tag


def record_choices(
    clean_video: bool,
    name: str,
    tags: list[str] | None,
    countdown_s: float | None,
    stop_after_s: float | None,
    stop_empty_s: float | None,
    hand: str | None,
    microphone: str | None,
) -> RecordChoices:
    """The options of the command line as one."""
    return RecordChoices(
        clean_video=clean_video,
        name=name,
        tags=tuple(tags or ()),
        countdown_s=countdown_s,
        stop_after_s=stop_after_s,
        stop_empty_s=stop_empty_s,
        hand=hand,
        microphone=microphone,
    )
