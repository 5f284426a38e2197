"""The message on the card over the picture for each state of the session."""

from __future__ import annotations

from poseapp.live.status import Status
from poseapp.ui.display_names import model_title
from poseapp.ui.message_card import Message
from poseapp.ui.source_choice import SourceKind

STARTING = Message("Starting…", "Looking for cameras and models.", busy=True)
FINISHING = Message("Finishing the recording…", "The window closes when the files are written.", busy=True)
BENCHMARK = Message("Benchmark running", "The live view goes on when it is done.", busy=True)
ENDED = Message("The end", "", dim=False, actions=(("again", "Play again"),))
_DEMO = ("demo", "Demo clip")
# The buttons for each kind of source that cannot be shown: what helps most comes first. A file that is none does not become
# one by trying again, and a camera is mostly in use by another program.
_WAYS_OUT: dict[SourceKind, tuple[tuple[str, str], ...]] = {
    "camera": (("again", "Try again"), ("video", "Open video…"), _DEMO),
    "video": (("video", "Open another video…"), ("again", "Try again"), _DEMO),
    "picture": (("picture", "Open another picture…"), ("again", "Try again"), _DEMO),
    "folder": (("folder", "Open another folder…"), ("again", "Try again"), _DEMO),
    "address": (("address", "Change address…"), ("again", "Try again"), _DEMO),
    "given": (("again", "Try again"), ("video", "Open video…"), _DEMO),
    "synthetic": (("again", "Try again"), ("video", "Open video…")),
    "demo": (("again", "Try again"), ("video", "Open video…")),
}


def no_model(error: str) -> Message:
    """There is nothing to run."""
    return Message("No model to run", error, actions=(("get_models", "Get more models…"), ("again", "Try again")))


def session_message(status: Status, seen: bool, kind: SourceKind) -> Message | None:
    """The card for *status* of a source of *kind*, or None where the picture speaks for itself.

    *seen*: this source has given a picture.
    """
    if status.state == "failed":
        if not status.model and status.model_error:
            return _model_failed(status)
        return Message(f"{status.source} cannot be shown", status.message, actions=_WAYS_OUT[kind])
    if status.state == "reconnecting":
        # It is tried again by itself; who cannot wait does it now.
        actions = tuple((key, "Try now" if key == "again" else text) for key, text in _WAYS_OUT[kind])
        return Message(f"Waiting for {status.source}", status.message, busy=True, actions=actions)
    if status.state == "ended":
        return ENDED
    if status.state in ("idle", "starting") or (status.state == "running" and not seen):
        if status.actual is not None and not status.model:
            if status.model_error and not status.loading:
                return _model_failed(status)
            text = f"{status.build.text} · {status.build.done:.0%}" if status.build is not None else ""
            return Message(f"Loading {model_title(status.loading)}…" if status.loading else "Starting…", text, busy=True)
        return Message(f"Opening {status.source}…", "", busy=True)
    return None


def _model_failed(status: Status) -> Message:
    actions = (("model", "Choose another model"), ("again", "Try again"))
    return Message("The model cannot be loaded", status.model_error, actions=actions)
