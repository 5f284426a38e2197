"""Network addresses without secrets: the address of a camera may hold a password, in any of its parts."""

from __future__ import annotations

import logging
import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"(?:[\w.-]+|\[[\w:.%-]+\])(?::\d{1,5})?")
# Words that cameras and servers use for streams. A part of a path that holds anything else may be a password or a token.
_WORDS = (
    r"api|av|avc|axis|cam|camera|cgi|ch|channel|clip|demo|feed|h26[45]|hd|high|hls|image|index|jpe?g|live|livestream|low|main|media|"
    r"mjpe?g|mp4|mpeg|multicast|onvif|play|playlist|preview|profile|realmonitor|screen|sd|stream|streaming|sub|test|unicast|"
    r"video|videostream|webcam|amp|asp|avi|flv|m3u8|mkv|mpd|mov|sdp|ts|webm"
)
_BEGINS = r"(?:^|[-_.]|(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Za-z]))"
_HARMLESS = re.compile(rf"(?:{_BEGINS}(?:(?i:{_WORDS})s?\d{{0,3}}|\d{{1,3}}|[a-zA-Z](?![a-zA-Z\d])))*")
_HARMLESS_OPTION = re.compile(
    r"(?:camera|channel|fps|profile|resolution|stream|subtype|unicast)=(?:\d{1,3}|\d{2,4}x\d{2,4}|true|false)", re.IGNORECASE
)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|]*[^\s\"'<>|.,;:)\]]")
_LOGIN = re.compile(r"[^\s\"'/]*:[^\s\"']*@[^\s\"']+")  # user:password@host without a scheme
_OPTION = re.compile(r"([?&][^\s?&=\"']+=)[^\s&\"']+")
_NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|token|secret|(?:api|access|stream)_?key|signature|credentials?|auth(?:orization)?)"
    r"\s*[=:]\s*)(?:(?:basic|bearer|digest)\s+)?[^\s\"']+",
    re.IGNORECASE,
)
HIDDEN = "…"


def address_name(address: str) -> str:
    """The name to show for the stream at *address*: the host, and the path and options where they cannot be secrets.

    An address that equals its name holds no secret.
    """
    scheme, found, rest = address.strip().partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        return HIDDEN
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    host = authority.rpartition("@")[2]
    shown = authority if authority == f"@{host}" else host  # udp://@239.0.0.1 is how to listen
    # rtsp://admin:1#2@camera/: with a / ? or # in the password, the host is further behind, and this is the password.
    cut_short = "@" in tail and ":" in authority
    if cut_short or not _HOST.fullmatch(host):
        return f"{scheme.lower()}://{HIDDEN}"
    path, requested, options = tail.partition("?")
    if not all(_HARMLESS.fullmatch(part) for part in path.split("/")):
        path, requested = "", ""
    if not all(_HARMLESS_OPTION.fullmatch(option) for option in options.split("&")):
        requested = ""
    return f"{scheme.lower()}://{shown}{path}" + (f"?{options}" if requested else "")


def holds_secrets(address: str) -> bool:
    """Whether *address* may hold a password or a token."""
    name = address_name(address)
    return name == HIDDEN or address.strip().partition("://")[2] != name.partition("://")[2]


def without_secrets(text: str) -> str:
    """*text*, such as a line of a log, with the name of each address in its place, and without passwords and tokens."""
    text = _ADDRESS.sub(lambda match: match[0] if match[0].lower().startswith("file:") else address_name(match[0]), text)
    text = _LOGIN.sub(HIDDEN, text)
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)


class CleanFormatter(logging.Formatter):
    """Formats log records and their tracebacks without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of *record*."""
        return without_secrets(super().format(record))
