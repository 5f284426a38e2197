"""Who may talk to the WebSocket server: which addresses, which pages of a browser, which tokens."""

from __future__ import annotations

import hmac
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from poseapp.live.outputs.parse import is_loopback

BEARER = "bearer "


@dataclass(frozen=True)
class WebAccess:
    """The rules of a server at *host* and *port*.

    On this machine no token is needed, but a browser shows pages of strangers, and each of them may open a connection here. So a
    page must come from this very server (its ``Origin``), and it must have been asked for under a name of this machine
    (``Host``): a stranger's name may point here, too. From other machines a *token* is needed.
    """

    host: str
    port: int
    token: str

    @property
    def needs_token(self) -> bool:
        """Whether other machines can connect."""
        return not is_loopback(self.host)

    def why_not(self, headers: Mapping[str, str | None]) -> str:
        """Why a request with these *headers* (host, origin) is refused; "" where it is not."""
        host, origin = (headers.get("host") or "").lower(), headers.get("origin")
        if not self.needs_token and host not in self._own_names():
            return "expected the name of this machine as host"
        if origin is not None and origin.lower() != f"http://{host}":
            return "expected no page of another server"
        return ""

    def knows(self, authorization: str | None, query: str) -> bool:
        """Whether a request has the token: ``Authorization: Bearer TOKEN``, or ``token=TOKEN`` in *query*."""
        if not self.needs_token:
            return True
        given = urllib.parse.parse_qs(query, max_num_fields=8).get("token", [""])[0]
        if authorization is not None and authorization.lower().startswith(BEARER):
            given = authorization[len(BEARER) :].strip()
        return hmac.compare_digest(given.encode(), self.token.encode())  # takes as long for a token that is nearly right

    def page_address(self) -> str:
        """The address of the page, with the token where one is needed, for a browser on this machine.

        The token follows a #: a browser sends that to nobody.
        """
        any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # a browser cannot open these
        host = any_address.get(self.host, self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"#token={self.token}" if self.needs_token else "")

    def _own_names(self) -> set[str]:
        shown = f"[{self.host}]" if ":" in self.host else self.host.lower()
        names = {shown, "localhost", "127.0.0.1", "[::1]"}
        return {f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set())
