"""Recording: a folder with videos, keypoints and a description, whole up to the last half second whatever happens.

``recorder.py`` has the threads, ``lane.py`` the queues to them, ``writers.py`` the table of files that they write,
``keypoints.py``, ``manifest.py`` and ``segments.py`` the formats and their readers, ``description.py`` what is said of how a
recording was made, ``start_stop.py`` when it begins and stops by itself, ``snapshot.py`` a single picture.
"""

from poseapp.live.recording.counts import Counts
from poseapp.live.recording.description import ModelEntry, SourceEntry
from poseapp.live.recording.manifest import read_manifest
from poseapp.live.recording.names import delete_recording, joined_name, name_of, rename_recording, split_name
from poseapp.live.recording.progress import Recording, RecordingMark, RecordOptions
from poseapp.live.recording.recorder import Recorder
from poseapp.live.recording.segments import Segment, read_keypoints, read_segments
from poseapp.live.recording.snapshot import save_snapshot
from poseapp.live.recording.start_stop import COUNTDOWNS_S, HAND_SIGNS, LONGEST_S, HandSign, StartStop, ended_text
from poseapp.live.recording.writers import WRITERS, RecordingStart, RecordingWriter

__all__ = [
    "COUNTDOWNS_S",
    "HAND_SIGNS",
    "LONGEST_S",
    "WRITERS",
    "Counts",
    "HandSign",
    "ModelEntry",
    "RecordOptions",
    "Recorder",
    "Recording",
    "RecordingMark",
    "RecordingStart",
    "RecordingWriter",
    "Segment",
    "SourceEntry",
    "StartStop",
    "delete_recording",
    "ended_text",
    "joined_name",
    "name_of",
    "read_keypoints",
    "read_manifest",
    "read_segments",
    "rename_recording",
    "save_snapshot",
    "split_name",
]
