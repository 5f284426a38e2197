"""What is there when the app starts: the cameras, the remembered source and the model to run. It takes time: on a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from poseapp.core.addresses import address_name
from poseapp.core.errors import ModelError, PoseAppError
from poseapp.engine.backends import device_labels, unavailable
from poseapp.engine.store import StoredModel, find_model, list_models
from poseapp.live.sources import Camera, list_cameras
from poseapp.ui import key_store
from poseapp.ui.source_choice import SourceChoice, unique_labels


@dataclass(frozen=True, kw_only=True)
class FoundAtStart:
    """What the first look at the machine found. ``model`` is a folder, or None where no model can run."""

    cameras: list[Camera]
    cameras_error: str
    remembered: SourceChoice | None
    models: list[StoredModel]
    model: Path | None
    model_error: str  # why there is no model, or why it is not the one that was asked for; "" otherwise


def look_around(
    engines_dir: Path, model: str | None, device: str, remembered: SourceChoice | None, needs_source: bool
) -> FoundAtStart:
    """Find the model called *model*, or the default one for *device*, and what the first source depends on.

    Cameras are listed, and the address of the *remembered* source is fetched, where *needs_source*.
    """
    cameras, cameras_error = find_cameras() if needs_source else ([], "")
    models, folder, model_error = _find_model(engines_dir, model, device)
    return FoundAtStart(
        cameras=cameras,
        cameras_error=cameras_error,
        remembered=_with_its_address(remembered),
        models=models,
        model=folder,
        model_error=model_error,
    )


def find_cameras() -> tuple[list[Camera], str]:
    """The cameras, and why they cannot be listed or ""."""
    try:
        return unique_labels(list_cameras()), ""
    except PoseAppError as error:
        return [], str(error)


def look_for_devices() -> dict[str, str]:
    """Each device, and why it cannot be used here; "" where it can."""
    return {device: unavailable(device) for device in device_labels()}


def _find_model(engines_dir: Path, name: str | None, device: str) -> tuple[list[StoredModel], Path | None, str]:
    """All models, the folder of the one to run, and what went wrong or ""."""
    try:
        models = list_models(engines_dir)
    except ModelError as error:
        return [], None, str(error)
    problem = ""
    for wanted in (name, None):  # the remembered or named one may be gone: then say so, and run the default one
        try:
            return models, find_model(engines_dir, wanted, device).folder, problem
        except ModelError as error:
            problem = str(error)
    return models, None, problem


def _with_its_address(remembered: SourceChoice | None) -> SourceChoice | None:
    """*remembered* with the address that the key store has for it, if any."""
    if remembered is None or remembered.kind != "address" or remembered.value:
        return remembered
    address = key_store.recall()
    return replace(remembered, value=address) if address and address_name(address) == remembered.label else remembered
