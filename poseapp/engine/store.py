"""The model store: which models there are, the user's own beside those that come with the app, and where a new one is written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from poseapp import resources
from poseapp.core.errors import ModelError, printable
from poseapp.core.spec import ModelSpec
from poseapp.engine import backends
from poseapp.engine.model_folder import ModelFolder


def store_folders(engines_dir: Path) -> tuple[Path, ...]:
    """The folders whose models make up the store *engines_dir*; the first one is for new models.

    The user's own folder and the folder of the bundled models are one store, whichever of the two is named. Any other folder
    is a store by itself.
    """
    own, bundled = resources.own_engines_dir(), resources.bundled_engines_dir()
    if own != bundled and engines_dir.resolve() in (own.resolve(), bundled.resolve()):
        return own, bundled
    return (engines_dir,)


def folders_with(engines_dir: Path, file: str) -> list[Path]:
    """The folders of the store *engines_dir* that hold *file*: the user's own before the bundled ones, each by name.

    No folder where the store is not there. Raises ModelError when it cannot be read.
    """
    found: list[Path] = []
    for place in store_folders(engines_dir):
        try:
            if place.is_dir():
                found += sorted(path.parent for path in place.glob(f"*/{file}"))
        except OSError as error:
            raise ModelError(f"{place}: cannot be read ({error.strerror}). Give a model store with --engines-dir.") from None
    return found


def folder_named(engines_dir: Path, name: str) -> Path:
    """The folder called *name* in the store *engines_dir*: the user's own, else a bundled one, else the place for a new one."""
    places = [place / name for place in store_folders(engines_dir)]
    return next((place for place in places if place.is_dir()), places[0])


def place_for(engines_dir: Path, name: str, replace: bool = False) -> Path:
    """The folder to write a new model called *name* to, in the store *engines_dir*; never among the bundled models.

    Raises ModelError when a bundled model has this name, unless *replace* is set: the new one hides it then.
    """
    own = store_folders(engines_dir)[0] / name
    there = folder_named(engines_dir, name)
    if there != own and not replace:
        raise ModelError(f"{name}: comes with the app. Give another --name, or use yours in its place with --replace.")
    return own


def is_own(engines_dir: Path, folder: Path) -> bool:
    """Whether the user added the model in *folder* to the store *engines_dir*. In a checkout all models are the user's own."""
    return folder.parent == store_folders(engines_dir)[0] and not resources.is_read_only(folder)


def remove(engines_dir: Path, folder: Path) -> None:
    """Delete the user's own model in *folder* from the store *engines_dir*; it vanishes at once or stays whole.

    Raises ModelError where it is not the user's own, or cannot be deleted.
    """
    if not is_own(engines_dir, folder):
        raise ModelError(f"{folder}: comes with the app, or is not in the model store. Only your own models can be removed.")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-", suffix=".tmp") as place:
            folder.rename(Path(place, folder.name))  # a list of the store never shows half of it
    except OSError as error:
        raise ModelError(f"{folder}: cannot be removed ({error.strerror}). Choose another model first, and try again.") from None


def default_engines_dir() -> Path:
    """The store to use unless another is named: the user's own models, and those that come with the app."""
    return resources.own_engines_dir()


@dataclass(frozen=True)
class StoredModel:
    """One folder of the store. ``spec`` is None where model.json is wrong, and ``error`` says why.

    ``hides`` is the folder of the bundled model of the same name, in whose place this one is used.
    """

    name: str
    folder: Path
    spec: ModelSpec | None
    error: str = ""
    hides: Path | None = None


def list_models(engines_dir: Path) -> list[StoredModel]:
    """Every folder of the store *engines_dir* that holds a model.json, by name; broken ones with their reason.

    A user's own model hides the bundled one of its name. Raises ModelError when the store itself cannot be read. Weights
    are not hashed here (it takes longer than a list should); loading does that.
    """
    found = folders_with(engines_dir, ModelSpec.FILE)
    place = store_folders(engines_dir)[-1]  # the user's own folder comes with its first model, this one must be there
    if not place.is_dir():
        raise ModelError(f"{place}: no such folder. Give a model store with --engines-dir.")
    places: dict[str, list[Path]] = {}
    for folder in found:
        places.setdefault(folder.name, []).append(folder)
    models = []
    for name, (folder, *hidden) in sorted(places.items()):
        hides = hidden[0] if hidden else None
        try:
            models.append(StoredModel(printable(name), folder, ModelFolder(folder).spec(), "", hides))
        except ModelError as error:
            models.append(StoredModel(printable(name), folder, None, str(error), hides))
    return models


def find_model(engines_dir: Path, name: str | None, device: str = "auto") -> StoredModel:
    """The model called *name*, or the default: hourglass-l where a GPU serves as *device*, else hourglass-s, else the first
    usable one.

    ModelError when there is none.
    """
    models = list_models(engines_dir)
    usable = [m for m in models if m.spec is not None]
    if name is None:
        if not usable:
            raise ModelError(f"{engines_dir}: no usable model. Train or fetch one, or give another folder with --engines-dir.")
        # Where the requested GPU cannot serve, a CPU will, and the GPU's model would be too slow there.
        on_gpu = any(not backends.unavailable(gpu.name) for gpu in backends.gpu_backends(device))
        defaults = ("hourglass-l", "hourglass-s") if on_gpu else ("hourglass-s",)
        return next((m for wanted in defaults for m in usable if m.name == wanted), usable[0])
    for model in models:
        if model.name == name:
            if model.spec is None:
                raise ModelError(model.error)
            return model
    known = ", ".join(m.name for m in usable) or "none"
    raise ModelError(f"model {name!r}: not in {engines_dir}. There are: {known}.")
