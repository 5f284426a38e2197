"""The system's key store: it keeps the address of a camera where a password may be in it. Optional, by ``keyring``.

Every call may take seconds, when the system asks the user to unlock the store: never on the UI thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

SERVICE, ENTRY = "poseapp", "address"
PATIENCE_S = 30.0  # for the user to unlock the store


def keep(address: str, entry: str = ENTRY) -> None:
    """Keep *address* as *entry* instead of the one before, where there is a store."""
    _ask(lambda store: store.set_password(SERVICE, entry, address))


def recall(entry: str = ENTRY) -> str | None:
    """The address that is kept as *entry*, or None."""
    found = _ask(lambda store: store.get_password(SERVICE, entry))
    return found if isinstance(found, str) else None


def forget(entry: str = ENTRY) -> None:
    """Keep no address as *entry* any more."""
    _ask(lambda store: store.delete_password(SERVICE, entry))


def _ask(question: Callable[[Any], Any]) -> Any:
    """What the store answers; None where there is none, or it does not answer."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            import keyring

            store = keyring.get_keyring()
            if store.priority >= 1:  # below are files in plain text, and no store at all
                answers.append(question(store))
        except Exception as error:  # noqa: BLE001 - key stores of all systems raise what they like; the app goes on without one
            log.debug("key store: %s", type(error).__name__)

    thread = threading.Thread(target=ask, name="poseapp-key-store", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return answers[0] if answers else None
