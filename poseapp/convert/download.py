"""Getting a file of published weights: with progress, going on after a cut, checked by length and hash, from one of its homes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from poseapp.convert.cancel import Cancel
from poseapp.convert.catalogue import Entry
from poseapp.core.errors import ModelError
from poseapp.core.files import no_empty_folders, only_one, sha256_file

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and their whole number, None where the server does not tell it."""
Say = Callable[[str], None]
"""Called with one line about what goes on, such as which home of the file is asked instead of another."""

ATTEMPTS = 3
TIMEOUT_S = 20.0
CHUNK = 1 << 16
MOST_BYTES = 1 << 32  # the largest published weights have a tenth of that
MOST_REDIRECTS = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class DownloadError(ModelError):
    """A file could not be had. ``problem`` says why in a few words, without an address and without what to type."""

    def __init__(self, who: str, problem: str, detail: str, advice: str) -> None:
        super().__init__(f"{who}: {detail}. {advice}")
        self.problem = problem


class _UnfitError(Exception):
    """A server's answer is not the file that was asked for, nor the rest of it; the text says what is wrong."""


def download(
    entry: Entry,
    folder: Path,
    progress: Progress = lambda done, total: None,
    say: Say = lambda line: None,
    cancel: Cancel | None = None,
) -> Path:
    """The file of *entry* in *folder*, from the network unless it lies there already.

    A transfer that is cut goes on where it stopped, up to three times here and again at the next call. Where one home of
    the file fails, *say* hears of it and its mirrors are asked. Raises DownloadError when none has it, with how to import
    by hand, and on a hash other than the published one (the file is then deleted); ModelError where the disk does not take
    it; CancelledError after *cancel*, which keeps what has come. A folder that was made for nothing is removed.
    """
    path = place_of(entry, folder)
    cancel = cancel or Cancel()
    try:
        with no_empty_folders(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with only_one(path.with_name(f"{path.name}.lock")) as alone:
                if not alone:  # two that append to one file would spoil it
                    raise ModelError(f"{entry.name}: another process is downloading it. Wait until it is done, and try again.")
                if not path.exists() or not sha256_file(path).startswith(entry.sha256):
                    _from_a_home(entry, path, progress, say, cancel)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror}). Free some space, or make it writable.") from None
    return path


def place_of(entry: Entry, folder: Path) -> Path:
    """Where ``download`` puts the file of *entry* in *folder*."""
    return folder / f"{entry.name}-{entry.url.rpartition('/')[2]}"


def begun(entry: Entry, folder: Path) -> int:
    """How many bytes of the file of *entry* lie in *folder*, from a download that was cancelled or cut."""
    path = place_of(entry, folder)
    for file in (path, _part(path)):
        with contextlib.suppress(OSError):
            return file.stat().st_size
    return 0


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _from_a_home(entry: Entry, path: Path, progress: Progress, say: Say, cancel: Cancel) -> None:
    """Put the file of *entry* at *path*; DownloadError, the first home's, where no home gives it."""
    part = _part(path)
    errors: list[DownloadError] = []
    for url in entry.urls:
        host = urlsplit(url).hostname
        if errors:
            say(f"{errors[-1].problem}: trying {host} instead.")
        try:
            _fetch(entry, url, part, progress, cancel)
        except DownloadError as error:
            errors.append(error)
            continue
        digest = sha256_file(part)
        if digest.startswith(entry.sha256):
            part.replace(path)
            return
        part.unlink()
        errors.append(
            DownloadError(
                url,
                f"{host} has another file than the published one (the hash differs; it was deleted)",
                f"expected SHA-256 {entry.sha256}…, got {digest[:16]}…",
                "The file was deleted: try again, and do not use it if this comes again.",
            )
        )
    raise errors[0]


def _fetch(entry: Entry, url: str, part: Path, progress: Progress, cancel: Cancel) -> None:
    """Bring the file at *url* to *part*, which may hold its beginning. Raises DownloadError, CancelledError and OSError."""
    import requests

    host = urlsplit(url).hostname
    try:
        for attempt in range(1, ATTEMPTS + 1):
            cancel.check()
            try:
                _rest(url, part, progress, cancel)
                return
            except requests.HTTPError:
                raise
            except (requests.RequestException, _UnfitError):
                cancel.check()  # it was cut here
                if attempt == ATTEMPTS:
                    raise
    except requests.HTTPError as error:
        said = f"{error.response.status_code} {error.response.reason}" if error.response is not None else str(error)
        raise DownloadError(url, f"{host} says {said}", f"the server says {said}", _by_hand(entry)) from None
    except _UnfitError as error:
        raise DownloadError(url, f"{host}: {error}", str(error), _by_hand(entry)) from None
    except requests.RequestException as error:
        done = part.stat().st_size if part.exists() else 0
        if done:
            cut = f"cut off after {done / 1e6:.1f} MB"
            again = "Run the same command again: it goes on from there."
            raise DownloadError(url, f"{host}: {cut}", cut, f"{again} {_by_hand(entry)}") from None
        reason = f"cannot be reached ({type(error).__name__})"
        raise DownloadError(url, f"{host} cannot be reached", reason, _by_hand(entry)) from None


def _by_hand(entry: Entry) -> str:
    return f"Or get the file elsewhere and run: poseapp models import FILE --arch {entry.arch} --name {entry.name}"


def _rest(url: str, part: Path, progress: Progress, cancel: Cancel) -> None:
    """Ask for what *part* lacks (HTTP Range), and add it. Raises RequestException where the transfer is cut."""
    import requests

    done = part.stat().st_size if part.exists() else 0
    with _answer(url, {"Range": f"bytes={done}-"} if done else {}) as response:
        if response.status_code == 416:
            if _total(response) == done:
                return  # all had come already
            part.unlink(missing_ok=True)  # of another file than the one that was begun
            raise _UnfitError("the part that was fetched before does not belong to this file")
        response.raise_for_status()
        try:
            start, end = _range(response, done)
        except _UnfitError:
            part.unlink(missing_ok=True)  # begin anew at the next attempt
            raise
        done = start
        with part.open("ab" if start else "wb") as file, cancel.watching(response):
            for chunk in response.iter_content(CHUNK):
                cancel.check()
                done += len(chunk)
                if done > (MOST_BYTES if end is None else end):
                    break
                file.write(chunk)
                progress(done, end)
    if done > (MOST_BYTES if end is None else end):
        part.unlink()
        raise _UnfitError("the server sends more than the file has")
    if end is not None and done != end:
        raise requests.ConnectionError(f"{done} of {end} bytes came")


def _range(response: requests.Response, requested: int) -> tuple[int, int | None]:
    """Where the body of *response* begins in the file, and where the file ends, as far as the server tells it.

    Raises _UnfitError where that is not what was *asked*: the file from there on, or the whole file instead.
    """
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _UnfitError("the server changes the file on its way")
    length = response.headers.get("Content-Length", "")
    if length and not length.isdigit():
        raise _UnfitError(f"the server tells a length of {length[:20]!r}")
    if response.status_code == 200:
        start, end = 0, int(length) if length else None
    elif response.status_code == 206 and requested:
        said = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", response.headers.get("Content-Range", "").strip())
        first, last, size = (int(number) for number in said.groups()) if said else (-1, -1, -1)
        if first != requested or not first <= last < size or (length and int(length) != last - first + 1):
            raise _UnfitError("the server sends another part than the one that was asked for")
        start, end = first, size
    else:
        raise _UnfitError(f"the server answers {response.status_code} to a plain request")
    if end is not None and end > MOST_BYTES:
        raise _UnfitError(f"the file has {end / 1e9:.1f} GB, which is more than the {MOST_BYTES / 1e9:.1f} GB allowed")
    return start, end


def _total(response: requests.Response) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


@contextlib.contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[Any]:
    """The answer to a request for *url*, where redirects lead to. Only HTTPS, where nobody on the way can change it."""
    import requests

    local = urlsplit(url).hostname in LOOPBACK  # a server on this machine, as tests have
    for _ in range(MOST_REDIRECTS + 1):
        place = urlsplit(url)
        if place.scheme != "https" and not (local and place.scheme == "http" and place.hostname in LOOPBACK):
            raise _UnfitError(f"leads to {place.scheme}://{place.hostname}, expected https")
        response = requests.get(
            url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=TIMEOUT_S, allow_redirects=False
        )
        with response:
            if not response.is_redirect:
                yield response
                return
            url = urljoin(url, response.headers["Location"])
    raise _UnfitError(f"leads elsewhere more than {MOST_REDIRECTS} times")
