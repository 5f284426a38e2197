"""What the window says about a session's state: the card over the picture and the banner's lines."""

from __future__ import annotations

from poseapp.live.session import Status
from poseapp.ui.video_view import StageState

STARTING = StageState("Starting…", "Looking for cameras and models.", busy=True)
FINISHING = StageState("Finishing the recording…", "The window closes when the files are written.", busy=True)
BENCHMARK = StageState("Benchmark running", "The live view goes on when it is done.", busy=True)
_ELSEWHERE = (("video", "Open video…"), ("demo", "Demo clip"))


def no_model(error: str) -> StageState:
    """There is nothing to run."""
    return StageState("No model to run", error, actions=(("again", "Try again"),))


def stage_state(status: Status, seen: bool) -> StageState | None:
    """The card for *status*, or None where the picture speaks for itself; *seen*: this source has given a picture."""
    if status.state == "failed":
        if not status.model and status.model_error:
            return StageState("The model cannot be loaded", status.model_error, actions=(("again", "Try again"),))
        return StageState(f"{status.source} cannot be shown", status.message, actions=(("again", "Try again"), *_ELSEWHERE))
    if status.state == "reconnecting":
        return StageState(f"Waiting for {status.source}", status.message, busy=True, actions=_ELSEWHERE)
    if status.state == "ended":
        return StageState("The end", "", dim=False, actions=(("again", "Play again"),))
    if status.state in ("idle", "starting") or (status.state == "running" and not seen):
        if status.granted is not None and not status.model:
            if status.model_error and not status.loading:
                return StageState("The model cannot be loaded", status.model_error, actions=(("again", "Try again"),))
            text = f"{status.build.text} · {status.build.done:.0%}" if status.build is not None else ""
            return StageState(f"Loading {status.loading}…" if status.loading else "Starting…", text, busy=True)
        return StageState(f"Opening {status.source}…", "", busy=True)
    return None
