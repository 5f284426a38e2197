"""What a batch analyses: the videos and picture folders among paths, folders and patterns, and where each result goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poseapp.core.errors import SourceError
from poseapp.core.pictures import PICTURES
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.sources.base import shown
from poseapp.live.sources.pictures import natural
from poseapp.live.sources.video import VIDEOS


@dataclass(frozen=True, kw_only=True)
class Input:
    """A video, a picture or a folder of pictures at ``path``, absolute.

    ``place`` is where its result goes, below the output folder: the path from the folder that all inputs share, so that two
    files never have one place. ``size`` in bytes and ``modified_ns`` are those of the file; of a folder, the sum and the newest.
    """

    path: Path
    place: Path
    size: int
    modified_ns: int


@dataclass
class Found:
    """``inputs`` in the order in which people count, and a line for each thing in ``remarks`` that was left out."""

    inputs: list[Input] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find_inputs(paths: Sequence[str], out: Path) -> Found:
    """The inputs that *paths* name: files, folders with all that is below them, and patterns such as ``clips/*.mp4``.

    Each is found once, also where links lead in a circle. Hidden files, recordings of the app and the folder *out* are left out.
    A path that is not there, or holds nothing, raises SourceError: it may be misspelt.
    """
    found = Found()
    walk = _Walk(out.resolve(), found.remarks)
    roots: list[Path] = []
    for text in paths:
        for path in _expanded(text):
            roots.append(path if path.is_dir() else path.parent)
            before = len(walk.found)
            walk.add(path)
            if path.is_dir() and len(walk.found) == before and not walk.met_before(path):
                raise SourceError(f"{shown(path)}: holds no video and no picture. Give another folder, or a file.")
    base = _common(roots)
    for path, own_files in sorted(walk.found.items(), key=lambda item: [natural(part) for part in item[0].parts]):
        try:
            stats = [file.stat() for file in own_files]
        except OSError as error:
            found.remarks.append(f"{shown(path)}: cannot be read ({error.strerror}), so it is left out.")
            continue
        size, newest = sum(one.st_size for one in stats), max((one.st_mtime_ns for one in stats), default=0)
        found.inputs.append(Input(path=path, place=_place(path, base), size=size, modified_ns=newest))
    return found


def _expanded(text: str) -> list[Path]:
    """What *text* names: itself, or what matches it as a pattern, as shells do that know patterns."""
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links, and places would move
        if path.exists():
            return [path]
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(text) else []  # noqa: PTH207 - an absolute pattern
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{shown(text)}: cannot be looked up ({shown(error)}). Check the path.") from None
    if not matches:
        kind = "no file matches this pattern" if glob.has_magic(text) else "no such file or folder"
        raise SourceError(f"{shown(text)}: {kind}. Check the path.")
    return [Path(match) for match in matches]


def _common(roots: Iterable[Path]) -> Path | None:
    """The folder that all *roots* share; None where they are on several drives."""
    try:
        return Path(os.path.commonpath([str(root) for root in roots]))
    except ValueError:
        return None


def _place(path: Path, base: Path | None) -> Path:
    if base is None:
        return Path(path.drive.strip(":\\/").replace("\\", "_") or "files", *path.parts[1:])
    return path.relative_to(base) if path != base else Path(path.name or "pictures")


class _Walk:
    """Collects inputs from files and folders; each real folder and each file once."""

    def __init__(self, out: Path, remarks: list[str]) -> None:
        self._out, self._remarks = out, remarks
        self.found: dict[Path, list[Path]] = {}  # the files that each consists of
        self._met: set[Path] = set()  # resolved
        self._given: set[Path] = set()

    def met_before(self, path: Path) -> bool:
        """Whether the folder *path* was met as another path, too, whose inputs are these."""
        return path in self._given

    def add(self, path: Path) -> None:
        """Add the file or folder *path*, which the user named."""
        if path.is_dir():
            if path.resolve() in self._met:
                self._given.add(path)
            self._folder(path, is_given=True)
        elif path.is_file():
            self._file(path)
        else:
            raise SourceError(f"{shown(path)}: expected a file or a folder, got a device or a pipe. Give a video.")

    def _file(self, path: Path) -> None:
        real = path.resolve()
        if real not in self._met:
            self._met.add(real)
            self.found[path] = [path]

    def _folder(self, folder: Path, is_given: bool = False, in_pictures: bool = False) -> None:
        real = folder.resolve()
        if real in self._met or real == self._out:
            return
        self._met.add(real)
        files, folders = self._listed(folder)
        if not is_given and any(file.name == MANIFEST for file in files):
            self._remarks.append(f"{shown(folder)}: is a recording, so it is left out. Give it itself to analyse its videos.")
            return
        videos = [file for file in files if file.suffix.lower() in VIDEOS]
        pictures = [file for file in files if file.suffix.lower() in PICTURES]
        for file in videos:
            self._file(file)
        if pictures and videos:
            count = f"{len(pictures)} picture{'s' if len(pictures) > 1 else ''}"
            self._remarks.append(f"{shown(folder)}: {count} beside videos left out. Give pictures themselves to analyse them.")
        elif pictures and not in_pictures:
            self.found[folder] = list(_pictures_below(folder))
        for one in folders:
            self._folder(one, in_pictures=in_pictures or (bool(pictures) and not videos))

    def _listed(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The files and folders in *folder* that are not hidden, each in natural order."""
        try:
            names = sorted((one for one in os.listdir(folder) if not one.startswith(".")), key=natural)  # noqa: PTH208 - names alone
        except OSError as error:
            self._remarks.append(f"{shown(folder)}: cannot be read ({error.strerror}), so it is left out.")
            return [], []
        places = [folder / name for name in names]
        return [one for one in places if one.is_file()], [one for one in places if one.is_dir()]


def _pictures_below(folder: Path) -> Iterator[Path]:
    """The pictures that FolderSource reads from *folder*."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.startswith(".") and Path(name).suffix.lower() in PICTURES)
