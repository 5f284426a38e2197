"""Getting a file of published weights: with progress, going on after a cut, and checked against its hash."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseapp.core.errors import ModelError
from poseapp.core.files import only_one
from poseapp.nets.catalogue import Entry

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and their whole number, None where the server does not tell it."""

ATTEMPTS = 3
TIMEOUT_S = 20.0
CHUNK = 1 << 16


def download(entry: Entry, folder: Path, progress: Progress = lambda done, total: None) -> Path:
    """The file of *entry* in *folder*, from the network unless it lies there already.

    A transfer that is cut goes on where it stopped, up to three times here and again at the next call.
    Raises ModelError when the server cannot be reached or has no such file, with how to import by hand, and
    on a hash other than the published one (the file is then deleted).
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)  # its notes on unknown hashes are for programmers
    file_name = entry.url.rpartition("/")[2]
    name = f"{entry.name}-{file_name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder / f"{name}.lock") as alone:
            if not alone:  # two that append to one file would spoil it
                raise ModelError(f"{entry.name}: another process is downloading it. Wait until it is done, and try again.")
            found = pooch.retrieve(entry.url, None, name, folder, downloader=_Resuming(folder / f"{name}.part", progress))
    except requests.HTTPError as error:
        said = f"{error.response.status_code} {error.response.reason}" if error.response is not None else str(error)
        raise ModelError(f"{entry.url}: the server says {said}. {_by_hand(entry)}") from None
    except requests.RequestException as error:
        done = (folder / f"{name}.part").stat().st_size if (folder / f"{name}.part").exists() else 0
        if done:
            raise ModelError(
                f"{entry.url}: cut off after {done / 1e6:.1f} MB. Run the same command again: it goes on from there. "
                f"{_by_hand(entry)}"
            ) from None
        raise ModelError(f"{entry.url}: cannot be reached ({type(error).__name__}). {_by_hand(entry)}") from None
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror}). Free some space, or make it writable.") from None
    path = Path(found)
    digest = hash_of(path)
    if not digest.startswith(entry.sha256):
        path.unlink()
        raise ModelError(
            f"{entry.url}: expected SHA-256 {entry.sha256}…, got {digest[:16]}…. The file was deleted: try again, "
            "and do not use it if this comes again."
        )
    return path


def hash_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _by_hand(entry: Entry) -> str:
    return f"Or get the file elsewhere and run: poseapp models import FILE --arch {entry.arch} --name {entry.name}"


class _Resuming:
    """A downloader for pooch that keeps what has come in *part* and asks for the rest (HTTP Range)."""

    def __init__(self, part: Path, progress: Progress) -> None:
        self.part, self.progress = part, progress

    def __call__(self, url: str, output_file: str, _pooch: object, check_only: bool = False) -> None:
        import requests

        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._rest(url)
                break
            except requests.HTTPError:
                raise
            except requests.RequestException:
                if attempt == ATTEMPTS:
                    raise
        shutil.move(self.part, output_file)

    def _rest(self, url: str) -> None:
        import requests

        done = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code == 416 and _total(response) == done:
                return  # all had come already
            if response.status_code == 416:
                self.part.unlink()  # another file than the one that was begun
                raise requests.ConnectionError("the part does not belong to the file")
            response.raise_for_status()
            resumed = response.status_code == 206
            done = done if resumed else 0
            total = _total(response) if resumed else _length(response)
            with self.part.open("ab" if resumed else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    self.progress(done, total)
        if total is not None and done != total:
            raise requests.ConnectionError(f"{done} of {total} bytes came")


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def _total(response: requests.Response) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None
