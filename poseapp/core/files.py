"""Files: hashes, files and folders that are written whole, locks between processes, and no empty folders left behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def sha256(content: bytes) -> str:
    """SHA-256 of *content*, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of the file at *path*, 64 hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def atomic_write(path: Path, content: bytes, synced: bool = True) -> None:
    """Write *path*, readable by its owner alone, through a file beside it, so that nobody ever sees half of it.

    With *synced* the call waits for the disk, so that the file is whole after a power cut too. Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """The name of a file beside *path* for a library to write; it takes the place of *path* when the block ends well.

    When the block fails, *path* stays as it was. The caller makes sure that only one process at a time writes *path*. A file
    that a killed process left is overwritten. Raises OSError.
    """
    part = path.with_name(f"{path.name}.tmp")
    try:
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of *folder* when the block ends well.

    When the block fails, *folder* stays as it was. The new folder has the name of *folder* and lies one level deeper, so a
    list of the folders around *folder* never shows half of it. Raises OSError.
    """
    prefix = f".{folder.name}-"
    # The block's own error counts, not one of the cleaning up.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix, suffix=".tmp", ignore_cleanup_errors=True) as place:
        made, old = Path(place, "new", folder.name), Path(place, "old")
        made.mkdir(parents=True)
        yield made
        if folder.exists():
            folder.rename(old)
        try:
            made.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[bool]:
    """True when no other process on this machine is inside a block with the same file *lock*, else False.

    The file exists only while the block runs. The system frees the lock when a process dies. Raises OSError when *lock*
    cannot be made.
    """
    while True:
        file = lock.open("a+b")
        if not try_lock(file):
            file.close()
            yield False
            return
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                break
        file.close()  # the last holder removed the file as it left: others no longer see this one
    try:
        yield True
    finally:
        if sys.platform != "win32":  # there, an open file cannot be removed
            lock.unlink(missing_ok=True)
        unlock(file)
        file.close()
        if sys.platform == "win32":
            with contextlib.suppress(OSError):  # somebody else has opened it meanwhile, and will remove it
                lock.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: IO[bytes]) -> bool:
        """Lock the open *file* for this process; False when another one has it."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(file: IO[bytes]) -> None:
        """Give the lock back."""
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(file: IO[bytes]) -> bool:
        """Lock the open *file* for this process; False when another one has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(file: IO[bytes]) -> None:
        """Give the lock back."""
        fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """At the end of the block, remove *folder* and the folders around it that the block made and left empty."""
    folder = folder.absolute()
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in missing:
            with contextlib.suppress(OSError):  # something is in it, or it was never made
                place.rmdir()


def writable(folder: Path, make: bool = False) -> bool:
    """Whether a file can be made in *folder*; with *make* the folder is made, too.

    The function makes a file to find out: permissions say nothing about read-only and full disks.
    """
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
    except OSError:
        return False
    os.close(handle)
    Path(name).unlink(missing_ok=True)
    return True
