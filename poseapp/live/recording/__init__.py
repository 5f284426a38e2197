"""Recording: a folder with videos, keypoints and a description, whole up to the last half second whatever happens.

``recorder.py`` has the thread, ``writers.py`` the table of files that it writes, ``keypoints.py`` and ``manifest.py`` their
formats and their readers, ``snapshot.py`` a single picture.
"""

from poseapp.live.recording.keypoints import read_keypoints
from poseapp.live.recording.manifest import read_manifest
from poseapp.live.recording.recorder import Recorder, Recording, RecordOptions
from poseapp.live.recording.snapshot import save_snapshot
from poseapp.live.recording.writers import WRITERS, RecordingStart, RecordingWriter

__all__ = [
    "WRITERS",
    "RecordOptions",
    "Recorder",
    "Recording",
    "RecordingStart",
    "RecordingWriter",
    "read_keypoints",
    "read_manifest",
    "save_snapshot",
]
