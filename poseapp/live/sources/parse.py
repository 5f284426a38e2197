"""Which source a text names."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from poseapp.core.addresses import address_name, without_secrets
from poseapp.core.errors import SourceError, is_plain
from poseapp.core.pictures import PICTURES
from poseapp.live.sources.animation import AnimationSource, is_animated_webp
from poseapp.live.sources.base import DEFAULT_MODE, Mode, Source, shown
from poseapp.live.sources.camera import CameraSource
from poseapp.live.sources.pictures import FolderSource, PictureSource
from poseapp.live.sources.stream import StreamSource
from poseapp.live.sources.synthetic import SyntheticSource
from poseapp.live.sources.video import VideoSource

# What FFmpeg may be asked to connect to. Its other protocols read local files or put several inputs together.
COMMON_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp")
SCHEMES = (*COMMON_SCHEMES, "tls", "rtp", "srtp", "srt", "mms", "mmsh", "ftp", "sftp")
KINDS = "Give camera:0, a path, an address or synthetic."


MakeSource = Callable[[str, Mode], Source | None]
"""Makes the source that "word:rest" names, of the rest and the mode that is requested of a device. None where the rest is not
what the word needs: the text may then still be a path. Raises SourceError."""


def _camera(number: str, requested: Mode) -> Source | None:
    return CameraSource(int(number or 0), requested=requested) if re.fullmatch(r"\d{0,4}", number) else None


def _synthetic(rest: str, requested: Mode) -> Source | None:
    del requested
    return SyntheticSource() if not rest else None


# By the first word of a text, before its colon if it has one. A word has two letters at least: one letter is a drive of Windows.
SOURCES: dict[str, MakeSource] = {
    "camera": _camera,
    "synthetic": _synthetic,
}


def parse_source(text: str, loop: bool = False, requested: Mode = DEFAULT_MODE) -> Source:
    """The source that *text* names.

    ``camera`` or ``camera:1`` or ``1``; ``synthetic``; another word of SOURCES; an address such as rtsp://… or http://…; the path
    or file:// address of a video, a picture or a folder. *loop* repeats files, as the window does. Raises SourceError on anything
    else.
    """
    bare = text.strip()
    number = re.fullmatch(r"(?:camera)?(\d{1,4})|/dev/video(\d{1,4})", bare, re.IGNORECASE)
    word, _, rest = ("camera", "", number.group(1) or number.group(2)) if number else bare.partition(":")
    make = SOURCES.get(word.lower())
    source = make(rest, requested) if make is not None else None
    if source is not None:
        return source
    # A single letter before the colon is a drive of Windows.
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", bare, re.IGNORECASE)
    if scheme is None:
        return _local(text, text, loop)
    if scheme.group(1).lower() == "file":
        return _local(bare, _path_of_address(bare), loop)
    return _remote(scheme.group(1).lower(), bare)


def _remote(scheme: str, text: str) -> Source:
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in COMMON_SCHEMES)
        raise SourceError(f"{shown(scheme)}://: is not supported. Give an address that begins with one of {known}.")
    if not is_plain(text):
        raise SourceError(f"{address_name(shown(text))}: expected an address, got control characters in it. Copy it again.")
    return StreamSource(scheme + text[len(scheme) :])


def _path_of_address(text: str) -> str:
    """The path in a file:// address: escapes undone, the host of a Windows share kept."""
    host, slash, path = text[len("file://") :].partition("/")
    if host.lower() in ("", "localhost"):
        return urllib.request.url2pathname(slash + path)
    if re.fullmatch(r"[a-z]:", host, re.IGNORECASE):  # file://C:/clip.mp4, as some programs write it
        return host + urllib.parse.unquote(slash + path)
    return urllib.request.url2pathname(f"//{host}{slash}{path}")


def _local(text: str, name: str, loop: bool) -> Source:
    said = shown(without_secrets(text))  # an address may lack its scheme
    try:
        path = Path(name).expanduser() if name.startswith("~") else Path(name)
        exists, is_folder, is_file = bool(name) and path.exists(), path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a user who is not there, a NUL
        why = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise SourceError(f"{said}: cannot be looked up ({shown(why)}). {KINDS}") from None
    if not exists and re.match(r"\s*camera:", name, re.IGNORECASE):
        raise SourceError(f"{said}: expected the number of a camera, as in camera:0. {KINDS}")
    if not exists:
        raise SourceError(f"{said.strip() or 'source'}: no such file, folder or address. {KINDS}")
    if is_folder:
        return FolderSource(path, loop=loop)
    if not is_file:
        raise SourceError(f"{said}: expected a file or a folder, got a device or a pipe. {KINDS}")
    if is_animated_webp(path):
        return AnimationSource(path, loop)
    if path.suffix.lower() in PICTURES:
        return PictureSource(path, repeat_fps=10.0 if loop else 0.0)
    return VideoSource(path, loop)
