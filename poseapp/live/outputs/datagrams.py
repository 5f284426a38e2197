"""Datagrams to one receiver, without ever waiting for it."""

from __future__ import annotations

import contextlib
import errno
import socket
import time

from poseapp.core.errors import OutputError
from poseapp.live.outputs.base import OutputAddress

REFUSED_S = 1.0  # so long after the last refusal nobody is taken to listen
BUFFER_BYTES = 1 << 18  # of the system: some frames, so that a burst is not lost
_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)


class Datagrams:
    """Sends datagrams to *host* and *port*; *who* is the output, for errors.

    UDP tells a sender little. On one machine the system says when nobody listens; over a network nobody does. ``listening`` is
    False where it is known that nobody takes them, and ``trouble`` says why, or is "". ``dropped`` counts those that were not
    sent.
    """

    def __init__(self, host: str, port: int, who: str) -> None:
        self._host, self._port, self._who = host, port, who
        self._socket: socket.socket | None = None
        self._refused_at = -REFUSED_S
        self.dropped = 0
        self.trouble = ""

    def open(self) -> None:
        """Look up the host. Raises OutputError."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "not a name of a host"
            raise OutputError(f"{self._who}: the host {self._host} is not found ({why}). Check its name.") from None
        family, kind, protocol, _, place = found[0]
        try:
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            if family == socket.AF_INET:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._socket.connect(place)
        except OSError as error:
            raise OutputError(f"{self._who}: cannot send to {self._host} ({error.strerror}). Check the address.") from None

    @property
    def listening(self) -> bool:
        """Whether somebody may take the datagrams."""
        return not self.trouble

    def send(self, content: bytes) -> bool:
        """Send *content*; whether it was sent. Never waits."""
        assert self._socket is not None
        for last in (False, True):
            try:
                self._socket.send(content)
            except ConnectionError:
                # The answer to an earlier datagram: this one was not sent yet, and by now somebody may listen.
                self._refused_at = time.monotonic()
                self.trouble = f"Nobody listens at {self._host}, port {self._port}."
                if last:
                    return False
            except OSError as error:
                self.dropped += 1
                if error.errno == errno.EMSGSIZE:
                    self.trouble = f"{len(content):,} bytes are too many for a datagram. Use the WebSocket output."
                elif error.errno not in _FULL:
                    self.trouble = f"Cannot send to {self._host} ({error.strerror})."
                return False
            else:
                break
        if time.monotonic() - self._refused_at >= REFUSED_S:
            self.trouble = ""
        return True

    def close(self) -> None:
        """End."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()


class DatagramOutput:
    """What the outputs over UDP have in common; each adds ``send`` and ``mark``. See Output."""

    def __init__(self, address: OutputAddress) -> None:
        self._datagrams = Datagrams(address.host, address.port, str(address))

    @property
    def receiving(self) -> bool:
        """See Output."""
        return self._datagrams.listening

    @property
    def news(self) -> str:
        """See Output."""
        return self._datagrams.trouble

    @property
    def dropped(self) -> int:
        """See Output."""
        return self._datagrams.dropped

    def open(self) -> None:
        """See Output."""
        self._datagrams.open()

    def close(self) -> None:
        """See Output."""
        self._datagrams.close()
