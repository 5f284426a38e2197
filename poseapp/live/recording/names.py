"""What a recording is called: its name and tags, before and after it is made."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from poseapp.core.errors import RecordError
from poseapp.live.recording.folder import candidates, folder_name
from poseapp.live.recording.manifest import read_manifest, replace_manifest


def split_name(text: str) -> tuple[str, tuple[str, ...]]:
    """The name and the tags in what a user has typed: words that begin with # are tags. "Squats left #knee" has one."""
    words = text.split()
    tags = dict.fromkeys(word[1:] for word in words if word.startswith("#") and len(word) > 1)
    return " ".join(word for word in words if not word.startswith("#")), tuple(tags)


def joined_name(name: str, tags: Sequence[str]) -> str:
    """The text of which ``split_name`` makes *name* and *tags*."""
    return " ".join([*([name] if name else []), *(f"#{tag}" for tag in tags)])


def name_of(folder: Path) -> str:
    """Name and tags of the recording in *folder*, as a user would type them. Raises RecordError."""
    content = read_manifest(folder)
    return joined_name(str(content.get("name", "")), [str(tag) for tag in content.get("tags", [])])


def rename_recording(folder: Path, name: str, tags: Sequence[str]) -> Path:
    """Call the finished recording in *folder* by *name* and *tags*; returns its folder, which is then called so, too.

    The day in the folder's name stays that of the recording. Raises RecordError: nothing has changed then.
    """
    content = read_manifest(folder)
    if not content.get("finished"):
        raise RecordError(f"{folder}: the recording is not finished. Rename it when it is.")
    to = _free_place(folder, name)
    try:
        if to != folder:
            folder.rename(to)
        try:
            replace_manifest(to, {**content, "name": name, "tags": list(tags)})
        except OSError:
            if to != folder:
                to.rename(folder)
            raise
    except OSError as error:
        raise RecordError(f"{folder}: cannot be renamed ({error.strerror}). Close what uses its files, and try again.") from None
    return to


def _free_place(folder: Path, name: str) -> Path:
    """Where the recording in *folder* goes when it is called *name*: beside it, under a name that is not taken."""
    when = _made(folder)
    wanted = folder_name(name, when)
    for one in candidates(wanted):
        to = folder.with_name(one)
        if to == folder or not to.exists():
            return to
    raise RecordError(f"{folder.parent}: too many recordings are called {wanted}. Choose another name.")


def _made(folder: Path) -> datetime:
    """When the recording in *folder* was made: as its folder says, else as its description does."""
    found = re.match(r"(\d{4}-\d\d-\d\d)(?:_(\d\d-\d\d-\d\d))?", folder.name)
    try:
        if found is not None:
            return datetime.strptime(f"{found[1]} {found[2] or '00-00-00'}", "%Y-%m-%d %H-%M-%S")
        return datetime.fromisoformat(str(read_manifest(folder).get("started", "")).replace("Z", "+00:00")).astimezone()
    except ValueError:
        return datetime.fromtimestamp(folder.stat().st_mtime)


def delete_recording(folder: Path) -> None:
    """Delete the recording in *folder* for good. Raises RecordError where *folder* is none, or cannot be deleted."""
    read_manifest(folder)  # never anything else
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be deleted ({error.strerror}). Close what uses its files, and try again.") from None
