"""WebSocket: the line of ``keypoints.jsonl`` for each frame, and a web page that draws the skeleton.

``http://HOST:PORT/`` is the page, ``ws://HOST:PORT/ws`` the socket. Each message is a JSON object, told by its keys:

* ``people``: a frame, see ``line_of`` in update.py. A client that reads slowly gets fewer of them, always the newest.
* ``joints``: the skeleton, when a client connects and when the model has another one.
* ``recording``: a recording has begun (true) or ended; also when a client connects.

A client may send ``{"command": "start"}``, ``"stop"`` or ``"toggle"`` with a ``name``; the answer has ``ok``, and an ``error``
where it did not work.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import threading
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from poseapp import resources
from poseapp.core.errors import OutputError
from poseapp.core.skeleton import Skeleton
from poseapp.live.outputs.base import OutputAddress, OutputSetup
from poseapp.live.outputs.update import Update, line_of, mark_line, skeleton_line
from poseapp.live.outputs.web_access import WebAccess
from poseapp.live.outputs.web_clients import WebClient, WebClients
from poseapp.live.recording import RecordingMark

MOST_CONNECTIONS = 64  # with those that have not said anything yet; more are closed at once
HELLO_S = 5.0  # how long a connection may take to say what it wants
PING_S, PONG_S = 5.0, 10.0  # how often a client is asked whether it is there, and how long it may take to answer
LONGEST_MESSAGE = 4096  # bytes, of a client; a longer one ends its connection
SEND_BUFFER = 1 << 16  # bytes that the system holds for a client: what waits in there is old when it is read
START_S, END_S = 5.0, 2.0
PAGE = "skeleton.html"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self' ws:",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class WebSocketOutput:
    """Serves all who connect, on a loop and a thread of its own. See Output."""

    def __init__(self, address: OutputAddress, setup: OutputSetup) -> None:
        self._address = address
        self._access = WebAccess(address.host, address.port, setup.token)
        self._control = setup.control if address.options["control"] == "yes" else None
        self._clients = WebClients()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._started = threading.Event()
        self._error = ""
        self._skeleton: Skeleton | None = None
        self._thread = threading.Thread(target=self._run, name="poseapp-websocket", daemon=True)

    @property
    def receiving(self) -> bool:
        """See Output."""
        return self._clients.count > 0

    @property
    def news(self) -> str:
        """See Output."""
        n = self._clients.count
        return f"{n} {'client' if n == 1 else 'clients'}" if n else "No client yet."

    @property
    def dropped(self) -> int:
        """See Output."""
        return self._clients.dropped

    def open(self) -> None:
        """See Output."""
        self._page = resources.asset(PAGE).read_bytes()
        self._clients.tell("recording", json.dumps({"recording": False}))
        self._thread.start()
        if not self._started.wait(START_S):
            raise OutputError(f"{self._address}: the server does not start. Choose another port.")
        if self._error:
            raise OutputError(self._error)

    def send(self, update: Update) -> bool:
        """See Output."""
        skeleton = update.result.poses.skeleton
        if skeleton != self._skeleton:
            self._skeleton = skeleton
            self._call(self._clients.tell, "skeleton", json.dumps(skeleton_line(skeleton)))
        if not self._clients.count:
            return False
        self._call(self._clients.offer, json.dumps(line_of(update), separators=(",", ":")))
        return True

    def mark(self, mark: RecordingMark) -> None:
        """See Output."""
        self._call(self._clients.tell, "recording", json.dumps(mark_line(mark)))

    def close(self) -> None:
        """See Output."""
        if self._thread.ident is None:
            return
        if self._end is not None:
            self._call(self._end.set)
        self._thread.join(END_S + 1.0)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the loop call *function*. Raises OutputError where the server has ended."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed
            if function != (self._end.set if self._end is not None else None):
                raise OutputError(f"{self._address}: the server has ended ({self._error or 'unknown'}).") from None

    # -- on the server's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            busy = error.errno in (errno.EADDRINUSE, errno.EACCES)
            why = {errno.EADDRINUSE: "is in use", errno.EACCES: "may not be used"}.get(error.errno or 0, error.strerror)
            what = f"port {self._address.port}" if busy else f"the address {self._address.host}"
            self._error = f"{self._address}: {what} {why if busy else f'cannot be used ({why})'}. Choose another one."
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with serve(
            self._handle,
            self._address.host,
            self._address.port,
            process_request=self._process,
            create_connection=_limited(),
            compression=None,  # costs more time than it saves on one machine, and a small message may unpack to a large one
            max_size=LONGEST_MESSAGE,
            max_queue=4,
            open_timeout=HELLO_S,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            close_timeout=END_S / 2,
            server_header=None,
            logger=_silent(),
        ) as server:
            self._started.set()
            await self._end.wait()
            server.close()

    async def _handle(self, connection: ServerConnection) -> None:
        await self._clients.serve(WebClient(connection, self._control))

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request: the page or a refusal; None opens a WebSocket."""
        del connection
        path, _, query = request.path.partition("?")
        refusal = self._access.why_not({"host": _header(request, "Host"), "origin": _header(request, "Origin")})
        if refusal:
            return _response(HTTPStatus.FORBIDDEN, refusal)
        if urllib.parse.unquote(path) == "/":  # the page holds nothing that is secret; it asks for the token
            return _response(HTTPStatus.OK, self._page, "text/html; charset=utf-8")
        if path != "/ws":
            return _response(HTTPStatus.NOT_FOUND, "There is / and /ws.")
        if not self._access.knows(_header(request, "Authorization"), query):
            return _response(HTTPStatus.UNAUTHORIZED, "The token is missing or wrong. The app shows it beside the output.")
        return None


def _header(request: Request, name: str) -> str | None:
    """The value of the header *name*; one that stands twice counts as one that fits nothing."""
    values = request.headers.get_all(name)
    return values[0] if len(values) == 1 else None if not values else "\0"


def _response(status: HTTPStatus, content: str | bytes, kind: str = "text/plain; charset=utf-8") -> Response:
    body = content.encode() if isinstance(content, str) else content
    headers = Headers({**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status.value, status.phrase, headers, body)


def _limited() -> type[ServerConnection]:
    """The connections of one server, of which there are at most MOST_CONNECTIONS at a time."""
    connections: set[ServerConnection] = set()

    class Limited(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            connections.add(self)
            opened: socket.socket = transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            if len(connections) > MOST_CONNECTIONS and isinstance(transport, asyncio.WriteTransport):
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            connections.discard(self)
            super().connection_lost(exc)

    return Limited


def _silent() -> logging.Logger:
    """A log that nobody reads: whoever connects could fill one, and the requests hold tokens."""
    logger = logging.getLogger(f"{__name__}.library")
    logger.disabled = True
    return logger
