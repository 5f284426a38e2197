"""The clients of the WebSocket server: each gets the newest frame as fast as it reads, and asks for recordings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from poseapp.core.errors import OutputError, PoseAppError
from poseapp.core.json_files import Fields, parse_json, shortened
from poseapp.live.outputs.base import Control, RemoteCommand

log = logging.getLogger(__name__)

MOST_NOTICES = 64  # that wait for a client
LONGEST_NAME = 120  # of a recording, in characters
COMMANDS_S, MOST_COMMANDS = 10.0, 20  # so many commands of a client in so many seconds; more come from no person
OBEY_S = 15.0  # how long a command may take, such as making a folder on a network drive
_COMMANDS = ("start", "stop", "toggle")


class WebClient:
    """One connection. All methods are for the server's loop."""

    def __init__(self, connection: ServerConnection, control: Control | None) -> None:
        self._connection, self._control = connection, control
        self._newest: str | None = None
        self._notices: deque[str] = deque(maxlen=MOST_NOTICES)
        self._wake = asyncio.Event()
        self.dropped = 0

    def offer(self, text: str) -> None:
        """Offer a frame; one that was not sent yet is dropped for it."""
        self.dropped += self._newest is not None
        self._newest = text
        self._wake.set()

    def notify(self, text: str) -> None:
        """Send *text*, which no frame replaces."""
        self._notices.append(text)
        self._wake.set()

    async def serve(self) -> None:
        """Send and read until the connection is closed."""
        sending = asyncio.ensure_future(self._send())
        try:
            await self._read()
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sending

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._notices:
                await self._connection.send(self._notices.popleft())
            text, self._newest = self._newest, None
            if text is not None:
                await self._connection.send(text)  # waits while the client does not read

    async def _read(self) -> None:
        """Obey commands, one after the other; a client that sends too many is sent away."""
        times: deque[float] = deque(maxlen=MOST_COMMANDS)
        with contextlib.suppress(ConnectionClosed):
            async for message in self._connection:
                now = time.monotonic()
                if len(times) == MOST_COMMANDS and now - times[0] < COMMANDS_S:
                    await self._connection.close(1008, "too many messages")
                    return
                times.append(now)
                self.notify(json.dumps(await self._answer(message)))

    async def _answer(self, message: str | bytes) -> dict[str, Any]:
        try:
            command = read_command(message)
        except PoseAppError as error:
            return {"error": str(error)}
        if self._control is None:
            return {"command": command.do, "error": "Commands are switched off. Leave out control=no in the address."}
        try:
            problem = await asyncio.wait_for(asyncio.wrap_future(self._control(command)), OBEY_S)
        except asyncio.TimeoutError:
            problem = "The app does not answer."
        return {"command": command.do, "ok": not problem} | ({"error": problem} if problem else {})


def read_command(message: str | bytes) -> RemoteCommand:
    """The command in *message*, JSON such as {"command": "start", "name": "Squats #knee"}. Raises OutputError."""

    def wrong(what: str) -> OutputError:
        return OutputError(f'command: {what}. Send for example {{"command": "start"}}.')

    fields = Fields(parse_json(message, wrong), wrong)
    do, name = fields.text("command"), fields.text("name") if "name" in fields.content else ""
    if do not in _COMMANDS:
        raise wrong(f"expected {', '.join(_COMMANDS)}, got {shortened(do)}")
    if len(name) > LONGEST_NAME:
        raise wrong(f"expected a name of at most {LONGEST_NAME} characters, got {len(name)}")
    return RemoteCommand(do, name)  # type: ignore[arg-type]


class WebClients:
    """All clients, and what a new one is told first. ``count`` and ``dropped`` may be read by any thread."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._clients: set[WebClient] = set()
        self._changed = changed
        self._told: dict[str, str] = {}  # the last notice of each topic
        self.count = 0
        self._dropped_before = 0

    @property
    def dropped(self) -> int:
        """Frames that clients were too slow for."""
        return self._dropped_before + sum(client.dropped for client in tuple(self._clients))

    async def serve(self, client: WebClient) -> None:
        """Serve *client* to its end."""
        for text in self._told.values():
            client.notify(text)
        self._clients.add(client)
        self._count()
        try:
            await client.serve()
        finally:
            self._clients.discard(client)
            self._dropped_before += client.dropped
            self._count()

    def offer(self, text: str) -> None:
        """Offer a frame to all."""
        for client in self._clients:
            client.offer(text)

    def tell(self, topic: str, text: str) -> None:
        """Tell all, and those that come later, the news of a *topic*."""
        self._told[topic] = text
        for client in self._clients:
            client.notify(text)

    def _count(self) -> None:
        self.count = len(self._clients)
        self._changed()
