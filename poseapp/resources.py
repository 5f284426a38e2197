"""Folders and files of the app: what comes with it (pictures, clips, models), and what a user adds."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import platformdirs

APP = "poseapp"  # False after it: on Windows no folder of a maker around it


def installed() -> bool:
    """Whether this is an installed package or a bundle, whose files nobody should write into; False in a checkout."""
    return (_package() / "bundled").is_dir()


def in_package(path: str) -> Path:
    """The file or folder *path* that lies inside the package."""
    return _package() / path


def asset(name: str) -> Path:
    """The file *name* of assets/."""
    return _root() / "assets" / name


def bundled_engines_dir() -> Path:
    """The folder with the models that come with the app."""
    return _root() / "engines"


def own_engines_dir() -> Path:
    """The folder for a user's own models; it may not exist yet. In a checkout it is that of the bundled ones."""
    return Path(platformdirs.user_data_dir(APP, False)) / "engines" if installed() else bundled_engines_dir()


def cache_dir(name: str) -> Path:
    """The folder *name* in the cache, for what can be made again: timings, plans, downloads. It may not exist yet."""
    return Path(platformdirs.user_cache_dir(APP, False)) / name


def config_dir() -> Path:
    """The folder for what the window remembers; it may not exist yet."""
    return Path(platformdirs.user_config_dir(APP, False))


def is_read_only(folder: Path) -> bool:
    """Whether *folder* belongs to an installed app: an update would remove what is written there."""
    return installed() and folder.resolve().is_relative_to(_package().resolve())


def _root() -> Path:
    """The folder that holds assets/ and engines/: a wheel has them inside the package, a checkout beside it."""
    return _package() / "bundled" if installed() else _package().parent


def _package() -> Path:
    return Path(str(files(APP)))
