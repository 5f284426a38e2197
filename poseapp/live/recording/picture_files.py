"""Pictures of a recording of stills: each a file of its own size and name, in a folder in the place of a video."""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath, PureWindowsPath

import cv2

from poseapp.core.errors import RecordError
from poseapp.core.types import ImageArray
from poseapp.live.recording.folder import private

_QUALITY = 95  # of JPEG, 0 to 100: the picture is looked at, and may be analysed again
_KEPT = {".jpg": ".jpg", ".jpeg": ".jpg", ".png": ".png"}  # what is written as it was; other kinds become PNG


def pictures_folder(video: Path) -> Path:
    """Where the pictures are that would be in *video* if they were a film: annotated.mkv → annotated."""
    return video.with_suffix("")


def picture_path(folder: Path, file: str) -> Path | None:
    """The place in *folder* of the picture *file*, a path as ``keypoints.jsonl`` has it.

    None where *file* leads out of the folder, as only a damaged or malicious recording would have it.
    """
    path = PurePosixPath(file)
    parts = path.parts
    if not parts or ".." in parts or path.is_absolute() or "\0" in file or PureWindowsPath(file).anchor or "\\" in file:
        return None
    name = path.name if path.suffix.lower() in _KEPT else f"{path.name}.png"
    return folder.joinpath(*parts[:-1], name)


def write_picture(folder: Path, file: str, image: ImageArray) -> None:
    """Write *image* (H, W, 3) uint8 BGR as the picture *file* in *folder*. Raises OSError; nothing is half written then."""
    path = picture_path(folder, file)
    if path is None:
        raise RecordError(f"{file}: expected a name within its folder. Give the picture another name.")
    kind = _KEPT[path.suffix.lower()]
    ok, content = cv2.imencode(kind, image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if kind == ".jpg" else [])
    if not ok:
        raise RecordError(f"{file}: the picture cannot be encoded.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with open(path, "wb", opener=private) as opened:
            opened.write(content.tobytes())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def any_pictures(recording: Path) -> bool:
    """Whether the recording in that folder is one of stills: it has pictures in the place of videos."""
    return any((recording / name).is_dir() for name in ("annotated", "clean"))


def written_pictures(folder: Path) -> list[Path]:
    """The pictures in *folder*, by name; none where there is no such folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _KEPT and path.is_file())
