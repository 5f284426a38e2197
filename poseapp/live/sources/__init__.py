"""Where pictures come from: cameras, files, folders, streams and a synthetic figure, a file each.

A source is opened, read and closed on the capture thread. Only ``close`` may also come from another
thread, to unblock a device that hangs.
"""

from poseapp.core.pictures import PICTURES
from poseapp.live.sources.base import DEFAULT_MODE, Mode, Source
from poseapp.live.sources.camera import Camera, CameraSource, as_bgr, list_cameras
from poseapp.live.sources.parse import parse_source
from poseapp.live.sources.pictures import FolderSource, PictureSource, read_picture
from poseapp.live.sources.stream import StreamSource
from poseapp.live.sources.synthetic import SyntheticSource
from poseapp.live.sources.video import VideoSource

__all__ = [
    "DEFAULT_MODE",
    "PICTURES",
    "Camera",
    "CameraSource",
    "FolderSource",
    "Mode",
    "PictureSource",
    "Source",
    "StreamSource",
    "SyntheticSource",
    "VideoSource",
    "as_bgr",
    "list_cameras",
    "parse_source",
    "read_picture",
]
