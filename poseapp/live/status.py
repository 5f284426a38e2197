"""What a session is asked for, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poseapp.core.framing import WHOLE, Framing
from poseapp.core.spec import ModelSpec
from poseapp.core.types import PoseMode
from poseapp.engine.base import Backend
from poseapp.live.recording import Recording
from poseapp.live.sources import Mode
from poseapp.live.sources.camera_controls import Control
from poseapp.live.stats import Snapshot

State = Literal["idle", "starting", "running", "reconnecting", "ended", "failed", "stopped"]


@dataclass(frozen=True)
class ModelRequest:
    """What the user wants to run: a model's folder, a device, a precision, and a mode of looking for people."""

    folder: Path
    device: str = "auto"
    precision: str = "auto"
    mode: PoseMode = "one"


@dataclass(frozen=True)
class BuildProgress:
    """How far a model is that takes long to load: a line for the user, and the share done, 0..1."""

    text: str
    done: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a session is doing now.

    The source: ``message`` is one line for the user, or ""; ``requested`` and ``actual`` are its picture modes. ``framing``
    is how its pictures are turned and cropped, ``controls`` how exposure and the like stand, where the device has any.

    The model: ``model`` is the name of the one that runs, or "", and ``spec`` describes it. ``loading`` is the name of the one
    that is being loaded, or "", and ``build`` is how far it is, if that takes long. ``model_error`` says why the last change of
    model failed, or "". ``model_request`` is what the user wants. ``backend`` is what really runs, and ``backend.fallback`` says
    why that is something else; ``backend`` is None while nothing runs, as in the state "starting". ``mode`` is how people are
    looked for. ``note`` is one line about why model or mode are not the ones requested, or "".

    ``hand_signs`` counts how often somebody has raised a hand as a sign, and ``hand_progress`` says how much of the time a hand
    has been held up for the next one, 0..1.
    """

    state: State
    message: str
    source: str
    requested: Mode | None
    actual: Mode | None
    model: str
    spec: ModelSpec | None
    loading: str
    build: BuildProgress | None
    model_error: str
    model_request: ModelRequest
    backend: Backend | None
    mode: PoseMode
    note: str
    person_count: int
    stats: Snapshot
    recording: Recording | None
    hand_signs: int = 0
    hand_progress: float = 0.0
    framing: Framing = WHOLE
    controls: tuple[Control, ...] = ()

    @property
    def has_heatmaps(self) -> bool:
        """Whether there are heatmaps to show, as far as is known."""
        return self.spec is None or not self.spec.one_stage

    @property
    def has_fields(self) -> bool:
        """Whether there are part affinity fields to show, as far as is known: only bottom-up uses them."""
        return self.mode == "bottom-up" and (self.spec is None or self.spec.has_affinity_fields)
