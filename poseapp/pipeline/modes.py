"""The modes of finding people: what each needs from the model store, and its Estimator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poseapp.core.errors import ModelError
from poseapp.core.smoothing import SMOOTH, SmoothRule
from poseapp.core.types import PoseMode
from poseapp.engine.base import Engine
from poseapp.engine.detector import Detector, find_detector
from poseapp.engine.store import StoredModel, list_models
from poseapp.pipeline.bottom_up import BottomUp
from poseapp.pipeline.estimator import Estimator, PersonFinder
from poseapp.pipeline.single import OnePerson
from poseapp.pipeline.top_down import TopDown

LATENCY_BUDGET_MS = 100.0  # for the poses of all people in a frame: ten frames a second at least, however many they are
STRENGTH = 0.5  # of the smoothing, 0 (off) to 1


@dataclass(frozen=True)
class PoseSettings:
    """How people are found, as the user sets it.

    ``smoothing`` is the strength of the smoothing, from 0 (off) to 1. ``latency_budget_ms`` is the time for the poses of all
    people in a frame, top-down.
    """

    mode: PoseMode = "one"
    smoothing: float = STRENGTH
    latency_budget_ms: float = LATENCY_BUDGET_MS


def suited_model(requested: Path, mode: PoseMode) -> tuple[Path, str]:
    """The folder of the model for *mode*: *requested*, or else another one and a line that says why.

    Bottom-up needs a model that finds everybody in one pass. Raises ModelError when none in the store of *requested* does.
    """
    if mode != "bottom-up":
        return requested, ""
    models = list_models(requested.parent)
    if any(model.folder == requested and _finds_everybody(model) for model in models):
        return requested, ""
    others = [model for model in models if _finds_everybody(model)]
    if not others:
        raise ModelError(
            f"bottom-up: expected a model that finds all people at once in {requested.parent}, found none. "
            "Put openpose-s there, fetch rtmo-s-640x640, or find several people one by one (top-down)."
        )
    # A one-stage network finds more people than fields do, and the user has fetched it for that.
    other = min(others, key=lambda model: (not (model.spec and model.spec.one_stage), model.name != "openpose-s", model.name))
    return other.folder, f"{requested.name} cannot find all people at once: {other.name} does it instead."


def check_mode(requested: Path, mode: PoseMode) -> None:
    """Raise ModelError when the store of *requested* lacks what *mode* needs."""
    suited_model(requested, mode)
    if mode == "top-down" and find_detector(requested.parent) is None:
        raise _no_detector()


def _no_detector() -> ModelError:
    return ModelError(
        "top-down: expected a person detector in the model store, found none. Put person-detector there, or look for one person."
    )


def _finds_everybody(model: StoredModel) -> bool:
    return model.spec is not None and model.spec.finds_everybody


def open_detector(engines_dir: Path) -> Detector | None:
    """The person detector of the store, loaded; None where there is none. Raises ModelError when it is broken."""
    folder = find_detector(engines_dir)
    return Detector(folder) if folder is not None else None


def make_estimator(
    mode: PoseMode,
    engine: Engine,
    detector: PersonFinder | None,
    latency_budget_ms: float = LATENCY_BUDGET_MS,
    thorough: bool = False,
) -> Estimator:
    """The Estimator of *mode*; see that protocol for the order of calls.

    Raises ModelError when *mode* needs a *detector*, or a network that finds everybody, and there is none. With *thorough* there
    is time for every region of every frame, as for a file without a window; then the regions lie on a grid, so that pieces of a
    clip agree with the whole.
    """
    if mode == "bottom-up":
        return BottomUp(engine)
    if mode == "top-down":
        if detector is None:
            raise _no_detector()
        return TopDown(engine, detector, latency_budget_ms=latency_budget_ms, thorough=thorough)
    return OnePerson(engine, detector, thorough, on_a_grid=thorough)


def smooth_rule(strength: float) -> SmoothRule | None:
    """The rule for a *strength* of 0..1: 0 is off, 0.5 is the default rule, and each further 0.25 halves the cut-off at rest."""
    if strength <= 0:
        return None
    return SmoothRule(min_cutoff_hz=SMOOTH.min_cutoff_hz * 4 ** (1 - 2 * min(strength, 1.0)), beta=SMOOTH.beta)
