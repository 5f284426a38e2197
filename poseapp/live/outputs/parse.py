"""OUTPUTS, the one table of outputs, and which output a text names."""

from __future__ import annotations

import importlib
import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from poseapp.core.addresses import without_secrets
from poseapp.core.errors import OutputError, is_plain
from poseapp.core.json_files import shortened
from poseapp.live.outputs.base import MakeOutput, Output, OutputAddress, OutputSetup

LONGEST = 300  # characters of an address
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_NAME = re.compile(r"[^\x00-\x1f/\\]{1,60}")


@dataclass(frozen=True, kw_only=True)
class OutputKind:
    """A protocol: ``label`` and ``tip`` are for the user, ``default`` is the address where the user gives none.

    ``options`` are the values that each option can have, the default first. ``is_remote`` says that the address is a host and a
    port, else it is a name. ``missing`` says in one line what has to be installed, or gives "".
    """

    label: str
    tip: str
    default: str
    make: MakeOutput
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_remote: bool = True
    missing: Callable[[], str] = lambda: ""


def _of(module: str, name: str) -> MakeOutput:
    """Makes the output *name* of a *module* of this package, which is imported when the output is used."""

    def make(address: OutputAddress, setup: OutputSetup) -> Output:
        output: Output = getattr(importlib.import_module(f"poseapp.live.outputs.{module}"), name)(address, setup)
        return output

    return make


def _lsl_missing() -> str:
    return "" if find_spec("pylsl") else "LSL: needs the package pylsl. Install it: pip install 'poseapp[lsl]'"


def _camera_missing() -> str:
    from poseapp.live.outputs.v4l2 import why_no_camera

    return why_no_camera()


# By the first word of an address.
OUTPUTS: dict[str, OutputKind] = {
    "osc": OutputKind(
        label="OSC",
        tip="Joints, angles and repetitions for TouchDesigner, Max, Processing and others",
        default="osc://127.0.0.1:9000",
        make=_of("osc", "OscOutput"),
        options={"unit": ("normalised", "px")},
    ),
    "ws": OutputKind(
        label="WebSocket and web page",
        tip="Joints as JSON, and a page that draws the skeleton: a browser source for OBS. Programs can start a recording",
        default="ws://127.0.0.1:8765",
        make=_of("websocket", "WebSocketOutput"),
        options={"control": ("yes", "no")},
    ),
    "udp": OutputKind(
        label="UDP with JSON",
        tip="Joints as JSON, one datagram for each frame",
        default="udp://127.0.0.1:9001",
        make=_of("udp", "UdpOutput"),
    ),
    "lsl": OutputKind(
        label="LSL",
        tip="Joints and marks of recordings for Lab Streaming Layer",
        default="lsl://poseapp",
        make=_of("lsl", "LslOutput"),
        options={"people": tuple(map(str, range(1, 33)))},
        is_remote=False,
        missing=_lsl_missing,
    ),
    "vcam": OutputKind(
        label="Virtual camera",
        tip="The picture as a camera for video calls and OBS (Linux with v4l2loopback)",
        default="vcam://",
        make=_of("virtual_camera", "VirtualCameraOutput"),
        options={"show": ("both", "picture", "skeleton")},
        is_remote=False,
        missing=_camera_missing,
    ),
}


def parse_output(text: str) -> OutputAddress:
    """The address that *text* is: a word of OUTPUTS, alone or with ``://``, a host and a port or a name, and options.

    ``osc``, ``osc://192.168.1.20:7000?unit=px``, ``lsl://stage?people=4``, ``vcam:///dev/video10?show=skeleton``. What is left
    out is taken from the default. Raises OutputError.
    """
    said = shortened(without_secrets(text.strip()))
    if len(text) > LONGEST or not is_plain(text):
        raise OutputError(f"output: expected an address of one line, got {said}. {_examples()}")
    word, _, rest = text.strip().partition("://")
    kind = word.lower().rstrip(":")
    if kind not in OUTPUTS:
        raise OutputError(f"output: expected an address, got {said}. {_examples()}")
    known = OUTPUTS[kind]
    place, _, query = rest.partition("?")
    options = _options(kind, query)
    tail = urllib.parse.urlencode({name: value for name, value in options.items() if value != known.options[name][0]})
    tail = f"?{tail}" if tail else ""
    if known.is_remote:
        host, port = _host_and_port(kind, place)
        shown = f"[{host}]" if ":" in host else host
        return OutputAddress(kind=kind, host=host, port=port, options=options, text=f"{kind}://{shown}:{port}{tail}")
    name = _name(kind, place)
    quoted = urllib.parse.quote(name)
    return OutputAddress(kind=kind, name=name, options=options, text=f"{kind}://{quoted}{tail}")


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, and nobody else can reach it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _examples() -> str:
    return f"Give for example {', '.join(kind.default for kind in OUTPUTS.values())}."


def _options(kind: str, query: str) -> dict[str, str]:
    """All options of *kind*, those that *query* has and the defaults. No value of an option unknown here is repeated."""
    known = OUTPUTS[kind].options
    options = {name: values[0] for name, values in known.items()}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise OutputError(f"{kind}: expected {_list(known)} after the “?”, got {shortened(name)}. Leave it out.")
        if value not in known[name]:
            few = known[name] if len(known[name]) < 5 else (f"{known[name][0]} to {known[name][-1]}",)
            raise OutputError(f"{kind}: expected {name}={' or '.join(few)}, got {shortened(value)}. Change it.")
        options[name] = value
    return options


def _list(names: Mapping[str, object]) -> str:
    return " or ".join(names) or "nothing"


def _host_and_port(kind: str, place: str) -> tuple[str, int]:
    default = OUTPUTS[kind].default
    got = shortened(place.rpartition("@")[2])  # before an @ there may be a password
    wrong = OutputError(f"{kind}: expected a host and a port from 1 to 65535, got {got}. Give for example {default}.")
    by_default = urllib.parse.urlsplit(default)
    try:
        parts = urllib.parse.urlsplit(f"//{place}")
        host, port = parts.hostname or by_default.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    if parts.path not in ("", "/") or "@" in parts.netloc or "#" in place or port == 0:
        raise wrong
    if ":" in host:
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise wrong from None
    elif not _HOST.fullmatch(host):
        raise wrong
    return host, port or by_default.port or 0


def _name(kind: str, place: str) -> str:
    name = urllib.parse.unquote(place, errors="replace")
    if kind == "vcam":
        number = re.fullmatch(r"(?:/dev/video)?(\d{1,4})|", name)
        if number is None:
            raise OutputError(
                f"vcam: expected the path of a camera, got {shortened(name)}. Give for example vcam:///dev/video10."
            )
        return f"/dev/video{number[1]}" if number[1] else ""
    name = name or OUTPUTS[kind].default.partition("://")[2]
    if not _NAME.fullmatch(name) or not is_plain(name):
        raise OutputError(
            f"{kind}: expected a name of at most 60 characters, got {shortened(name)}. Give for example {OUTPUTS[kind].default}."
        )
    return name
