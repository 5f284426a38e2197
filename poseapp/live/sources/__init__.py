"""Where pictures come from: cameras, files, folders, streams and a synthetic figure, a file each.

``base.py`` says what a source is. A new kind is a file here and a line in the table SOURCES of ``parse.py``.
"""

from poseapp.live.sources.base import DEFAULT_MODE, Mode, Source
from poseapp.live.sources.camera import Camera, CameraSource, list_cameras
from poseapp.live.sources.parse import parse_source
from poseapp.live.sources.pictures import FolderSource, PictureSource
from poseapp.live.sources.stream import StreamSource
from poseapp.live.sources.synthetic import SyntheticSource
from poseapp.live.sources.video import VideoSource

__all__ = [
    "DEFAULT_MODE",
    "Camera",
    "CameraSource",
    "FolderSource",
    "Mode",
    "PictureSource",
    "Source",
    "StreamSource",
    "SyntheticSource",
    "VideoSource",
    "list_cameras",
    "parse_source",
]
