"""PHONES: the apps that make a camera of a phone, and the address at which each one gives its pictures."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from poseapp.core.errors import SourceError, is_plain


@dataclass(frozen=True, kw_only=True)
class PhoneApp:
    """An app: ``scheme``, ``port`` and ``path`` are those that it has when it is installed; ``start`` is what to press in it."""

    name: str
    system: str
    scheme: str
    port: int
    path: str
    start: str


_SERVER = "press Turn on IP camera server"
PHONES = (
    PhoneApp(name="IP Webcam", system="Android", scheme="http", port=8080, path="/video", start="press Start server"),
    PhoneApp(name="IP Webcam, H.264", system="Android", scheme="rtsp", port=8080, path="/h264.sdp", start="press Start server"),
    PhoneApp(name="DroidCam", system="Android, iPhone", scheme="http", port=4747, path="/video", start="leave the app open"),
    PhoneApp(name="IP Camera Lite", system="iPhone", scheme="http", port=8081, path="/video", start=_SERVER),
    PhoneApp(
        name="IP Camera Lite, H.264",
        system="iPhone",
        scheme="rtsp",
        port=8554,
        path="/live",
        start=_SERVER,
    ),
    PhoneApp(name="RTSP camera", system="any other app or camera", scheme="rtsp", port=554, path="/", start="start its server"),
)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def phone_address(app: PhoneApp, host: str, port: int | None = None, path: str = "", user: str = "", password: str = "") -> str:
    """The address of *app* on the phone *host*. It holds *password*: show only its name. Raises SourceError.

    *port* and *path* are those of the app where they are left out.
    """
    host = host.strip()
    if not _HOST.fullmatch(host):
        raise SourceError(f"{app.name}: expected the number that the app shows, as in 192.168.1.20. Type it without http://.")
    if port is not None and not 0 < port < 65536:
        raise SourceError(f"{app.name}: expected a port from 1 to 65535, got {port}. The app shows it behind the colon.")
    path = path.strip() or app.path
    if not is_plain(path + user + password):
        raise SourceError(f"{app.name}: expected letters, got control characters. Type it anew.")
    login = ""
    if user or password:
        login = ":".join(urllib.parse.quote(part, safe="") for part in (user, password)) + "@"
    return f"{app.scheme}://{login}{host}:{port or app.port}/{path.lstrip('/')}"
