"""The scale of a recording, px to m, in its ``session.json``."""

from __future__ import annotations

import json
from pathlib import Path

from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_write
from poseapp.core.scale import Scale
from poseapp.live.recording.manifest import MANIFEST, read_manifest


def save_scale(folder: Path, scale: Scale | None) -> None:
    """Keep *scale* with the finished recording in *folder*; None takes it away. Raises RecordError: nothing has changed then."""
    content = read_manifest(folder)
    if not content.get("finished"):
        raise RecordError(f"{folder}: the recording is not finished. Set its scale when it is.")
    content.pop("scale", None)
    if scale is not None:
        content["scale"] = scale.to_json()
    try:
        atomic_write(folder / MANIFEST, (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written ({error.strerror}). Close what uses its files, and try again.") from None
