"""A single picture with its joints, kept as files."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import cv2

from poseapp.core.errors import RecordError
from poseapp.core.types import Result
from poseapp.live.recording.folder import cannot_write, private
from poseapp.live.recording.keypoints import keypoints_of
from poseapp.live.recording.manifest import SCHEMA
from poseapp.render import DrawOptions, annotate


def save_snapshot(result: Result, folder: Path, draw: DrawOptions) -> Path:
    """Write the annotated picture, the clean one and the keypoints of *result*; returns the annotated PNG's path.

    There is no clean one where *draw* hides people. The keypoints are one line of ``keypoints.jsonl`` with its schema. Raises
    RecordError when *folder* cannot be written.
    """
    stem = datetime.now().strftime("snapshot_%Y-%m-%d_%H-%M-%S-%f")[:-3]
    path = folder / f"{stem}.png"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pictures = {path: annotate(result, draw)}
        if not draw.hides_people:
            pictures[folder / f"{stem}_clean.png"] = result.frame.image
        for file, image in pictures.items():
            ok, content = cv2.imencode(".png", image)
            if not ok:
                raise RecordError(f"{file}: the picture cannot be encoded.")
            _write_private(file, content.tobytes())
        line = {"schema": SCHEMA, **keypoints_of(result, result.frame.index, 0.0)}
        _write_private(folder / f"{stem}.json", (json.dumps(line, separators=(",", ":")) + "\n").encode())
    except OSError as error:
        raise cannot_write(folder, error) from None
    return path


def _write_private(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private) as file:
        file.write(content)
