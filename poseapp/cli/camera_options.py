"""The options that turn and crop the picture of a source, and set the controls of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseapp.core.errors import SourceError
from poseapp.core.framing import TURNS, Framing, parse_crop

if TYPE_CHECKING:
    from poseapp.live.sources.setup import SourceSetup

CAMERA = "Camera"  # title in --help
_AS_REMEMBERED = "in the window as the camera was last"

Rotate = Annotated[
    int | None,
    typer.Option(
        "--rotate",
        metavar="DEGREES",
        help="Turn the picture clockwise by 90, 180 or 270 degrees. Recordings and joints are those of the turned picture.",
        show_default=f"0; {_AS_REMEMBERED}",
        rich_help_panel=CAMERA,
    ),
]
CropText = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="EDGES",
        help="Use only a part of the turned picture: its left, top, right and bottom edges in per cent, as in 10,0,90,100.",
        show_default=f"the whole picture; {_AS_REMEMBERED}",
        rich_help_panel=CAMERA,
    ),
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="NAME=VALUE",
        help="Ask the camera for exposure, gain, focus or zoom, where its driver has it: a number in the driver's unit, or auto "
        "for exposure and focus. May be repeated.",
        show_default=f"as the camera is; {_AS_REMEMBERED}",
        rich_help_panel=CAMERA,
    ),
]


@dataclass(frozen=True)
class CameraChoices:
    """What was given of the picture of the source; None, and no controls, where nothing was."""

    rotate: int | None = None
    crop: str | None = None
    controls: tuple[str, ...] = ()

    def setup(self, base: SourceSetup | None = None) -> SourceSetup | None:
        """What is asked for, over *base*; *base* where nothing was given. Raises SourceError where something is wrong."""
        from poseapp.live.sources.camera_controls import parse_settings
        from poseapp.live.sources.setup import SourceSetup

        if self == CameraChoices():
            return base
        setup = base or SourceSetup()
        turn: Any = setup.framing.turn if self.rotate is None else self.rotate
        if turn not in TURNS:
            raise SourceError(f"--rotate: expected 0, 90, 180 or 270, got {turn}. Give one of them.")
        asked: dict[str, str] = {}
        for text in self.controls:
            name, equals, value = text.partition("=")
            if not equals:
                raise SourceError(f"--control: expected NAME=VALUE, as in exposure=auto, got {text!r}. Give both.")
            asked[name.strip()] = value.strip()
        try:
            framing = Framing(turn, setup.framing.crop if self.crop is None else parse_crop(self.crop))
            return setup.framed(framing).asking(parse_settings(asked))
        except ValueError as error:
            raise SourceError(f"{error}. See --crop and --control in --help.") from None
