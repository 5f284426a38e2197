"""Finding the pictures of a set by the names that annotation tools write: paths of other machines, URLs, Windows separators."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from poseapp.core.errors import DataError, printable

MOST_FILES = 2_000_000  # in a folder of pictures: a whole disk is refused

Parts = tuple[str, ...]


@dataclass(frozen=True)
class ImageMatch:
    """Where a picture is. ``there`` is False where it was not found; ``instead`` are two that may be meant, and none is taken."""

    path: Path
    there: bool
    instead: tuple[Path, ...] = ()


class PictureFolder:
    """The pictures in *folder* and the folders in it. A name never leads out of *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> ImageMatch:
        """The picture that an annotation file calls *name*: the one with this path in the folder, else the one whose path
        ends like *name*, by as many parts as possible.
        """
        ways = _ways(name)
        for parts in ways:
            path = self.folder.joinpath(*parts)
            if _is_file(path):
                return ImageMatch(path, there=True)
        ends = [found for parts in ways if (found := self._ends(parts)) is not None]
        if ends:
            return next((found for found in ends if found.there), ends[0])
        return ImageMatch(self.folder / printable(ways[0][-1])[-200:], there=False)

    def _ends(self, parts: Parts) -> ImageMatch | None:
        candidates = self._by_name.get(_folded(parts[-1]), [])
        if not candidates:
            return None
        scores = [_common_end(parts, candidate) for candidate in candidates]
        best = [c for c, score in zip(candidates, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            # "a.jpg" beside "small/a.jpg": all of the first's path is in the name.
            whole = [c for c in best if len(c) == max(scores)]
            exact = [c for c in best if c[-1] == parts[-1]]
            best = next((few for few in (whole, exact) if len(few) == 1), best)
        paths = [self.folder.joinpath(*candidate) for candidate in best]
        return (
            ImageMatch(paths[0], there=True) if len(paths) == 1 else ImageMatch(paths[0], there=False, instead=tuple(paths[:2]))
        )

    @cached_property
    def _by_name(self) -> dict[str, list[Parts]]:
        """The files of the folder by name, spelled alike: Windows and macOS do not tell "A" from "a" there."""
        out: dict[str, list[Parts]] = {}
        count = 0
        for where, folders, names in os.walk(self.folder):
            folders.sort()
            inside = Path(where).relative_to(self.folder).parts
            for name in sorted(names):
                out.setdefault(_folded(name), []).append((*inside, name))
            count += len(names)
            if count > MOST_FILES:
                raise DataError(f"{self.folder}: more than {MOST_FILES:,} files. Give the folder that holds the pictures.")
        return out


def last_part(name: str) -> str:
    """The file's own name in what an annotation file calls a picture."""
    return printable(_ways(name)[-1][-1])


def _ways(name: str) -> list[Parts]:
    """The paths, in parts, that *name* may mean, the plainest first; each has at least one part."""
    ways = [name]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        ways = _of_address(name)
    elif "?" in name:  # an address without its server, such as /data/local-files/?d=folder/a.jpg
        ways += _of_address(name)
    ways += [way.replace("\\", "/") for way in ways if "\\" in way]
    ways += [unquote(way) for way in ways if "%" in way]
    parts = (tuple(p for p in re.sub(r"^[A-Za-z]:", "", way).split("/") if p not in ("", ".", "..")) for way in ways)
    return list(dict.fromkeys(p for p in parts if p)) or [("no name",)]


def _of_address(name: str) -> list[str]:
    """The paths in an address: what its query names, and its own."""
    try:
        address = urlsplit(name)
        queried = parse_qs(address.query, max_num_fields=20)
    except ValueError:
        return [name]
    given = [value for values in queried.values() for value in values if re.search(r"\.\w{2,5}$", value)]
    return [*given, unquote(address.path)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or none that a file can have
        return False


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common_end(a: Parts, b: Parts) -> int:
    """How many parts *a* and *b* have in common, counted from the end."""
    count = 0
    for one, other in zip(reversed(a), reversed(b), strict=False):
        if _folded(one) != _folded(other):
            break
        count += 1
    return count
