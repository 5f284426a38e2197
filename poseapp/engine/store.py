"""The folders of the model store: the user's own models beside those that come with the app, and where a new one is written."""

from __future__ import annotations

from pathlib import Path

from poseapp import resources
from poseapp.core.errors import ModelError


def store_folders(engines_dir: Path) -> tuple[Path, ...]:
    """The folders whose models make up the store *engines_dir*, the one to write to first.

    The user's own folder and that of the bundled models are one store, whichever of the two is named. Any other stands alone.
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
    """The folder called *name* in the store *engines_dir*: the user's own, else a bundled one, else where it would be made."""
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
