"""Which source a text names."""

from __future__ import annotations

import re
from pathlib import Path

from poseapp.core.errors import SourceError
from poseapp.live.sources.base import DEFAULT_MODE, Mode, Source
from poseapp.live.sources.camera import CameraSource
from poseapp.live.sources.pictures import PICTURES, FolderSource, PictureSource
from poseapp.live.sources.stream import StreamSource
from poseapp.live.sources.synthetic import SyntheticSource
from poseapp.live.sources.video import VideoSource


def parse_source(text: str, loop: bool = False, asked: Mode = DEFAULT_MODE) -> Source:
    """The source that *text* names.

    ``camera`` or ``camera:1`` or ``1``; ``synthetic``; an rtsp:// or http:// address; the path of a video, a picture
    or a folder. *loop* repeats files, as the window does. Raises SourceError on anything else.
    """
    number = re.fullmatch(r"(?:camera:?)?(\d{0,4})", text)
    if text and number:
        return CameraSource(int(number.group(1) or 0), asked=asked)
    if text == "synthetic":
        return SyntheticSource()
    if re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", text, re.IGNORECASE):
        return StreamSource(text)
    path = Path(text).expanduser()
    if text and path.is_dir():
        return FolderSource(path, loop=loop)
    if not (text and path.exists()):
        raise SourceError(f"{text or 'source'}: no such file, folder or address. Give camera:0, a path, an address or synthetic.")
    if path.suffix.lower() in PICTURES:
        return PictureSource(path, repeat_fps=10.0 if loop else 0.0)
    return VideoSource(path, loop)
