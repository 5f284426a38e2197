"""The names of ``poseapp.live.sources`` that the rest of the app uses."""

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
