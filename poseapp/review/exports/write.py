"""Writes the exports of a recording: whole files, none lost, one line for each that failed."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from poseapp.core.errors import ExportError, PoseAppError, first_line
from poseapp.core.files import atomic_folder, atomic_path, no_empty_folders
from poseapp.review.exports import EXPORTS, ExportFormat, ExportOptions, Take
from poseapp.review.exports.base import takes_of
from poseapp.review.saved_recording import SavedRecording

log = logging.getLogger(__name__)

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_IN_USE = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}


@dataclass(frozen=True)
class Exported:
    """What became of a file: its ``path``, and ``error``, one line, where it could not be written."""

    path: Path
    error: str = ""


def export_recording(
    recording: SavedRecording, formats: Sequence[str], folder: Path, options: ExportOptions, replace: bool = False
) -> Iterator[Exported]:
    """Write *recording* into *folder* in each of *formats*, names of EXPORTS; an outcome for each file, as it is done.

    A file that is there already stays as it is, unless *replace* says otherwise. What fails leaves nothing behind.
    """
    with no_empty_folders(folder):
        for name in formats:
            chosen = EXPORTS[name]
            reason = chosen.unavailable()
            if reason:
                yield Exported(folder, f"{name}: {reason}")
                continue
            try:
                takes = takes_of(recording, options, chosen)
            except PoseAppError as error:
                yield Exported(folder, f"{name}: {error}")
                continue
            for take in takes:
                path = folder / f"{take.name}{chosen.ending}"
                yield Exported(path, _write(chosen, take, path, replace))


def _write(chosen: ExportFormat, take: Take, path: Path, replace: bool) -> str:
    """Write one file or folder; returns why it could not be written, or ""."""
    try:
        if path.exists() and not replace:
            raise ExportError(f"{path}: is there already. Allow it to be replaced (--replace), or choose another folder (--out).")
        if path.exists() and path.is_dir() != chosen.is_folder:
            kind = "a folder" if chosen.is_folder else "a file"
            raise ExportError(f"{path}: expected {kind} to replace, got something else. Choose another folder (--out).")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # recordings show people
        with (atomic_folder if chosen.is_folder else atomic_path)(path) as part:
            chosen.write(take, part)
    except OSError as error:
        return cannot_write(path, error)
    except PoseAppError as error:
        return str(error)
    except Exception as error:
        log.debug("while exporting", exc_info=True)
        return f"{path}: cannot be written ({type(error).__name__}: {first_line(error)}). Choose another format."
    return ""


def cannot_write(path: Path, error: OSError, instead: str = "choose another folder (--out)") -> str:
    """That *path* cannot be written, and what to do; *instead* is how the user names another place."""
    if error.errno in _DISK_FULL:
        return f"{path}: the disk is full. Make room, or {instead}."
    if error.errno in _IN_USE:
        return f"{path}: cannot be written ({error.strerror}). Close it where it is open in another program, or {instead}."
    return f"{path}: cannot be written ({error.strerror or first_line(error)}). {instead[0].upper()}{instead[1:]}."
