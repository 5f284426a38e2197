"""NWB, the file of neuroscience, with the extension ndx-pose: a PoseEstimation for each person.

Layout: nwb.org and github.com/rly/ndx-pose. The file is HDF5.
"""

from __future__ import annotations

import io
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import poseapp
from poseapp.core.files import sha256
from poseapp.review.exports.base import Take
from poseapp.review.recorded_part import PersonTrack

if TYPE_CHECKING:
    from pynwb import NWBFile


def write(take: Take, path: Path) -> None:
    """See ExportFormat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, about their own next versions
        import h5py
        from pynwb import NWBHDF5IO

        content = io.BytesIO()  # HDF5 may end the process where a disk is full: write the bytes ourselves
        with h5py.File(content, "w") as store, NWBHDF5IO(file=store, mode="w") as nwb:
            nwb.write(_file(take))
    path.write_bytes(content.getvalue())


def _file(take: Take) -> NWBFile:
    from ndx_pose import Skeletons
    from pynwb import NWBFile
    from pynwb.file import Subject

    name = take.recording.name
    file = NWBFile(
        session_description=f"Poses of people in the recording {name}",
        # The same recording has the same identifier, however often it is exported.
        identifier=sha256(f"{name} {take.name} {take.recording.manifest.get('started')}".encode()),
        session_start_time=_started(take.recording.manifest.get("started")),
        subject=Subject(subject_id=name.replace("/", "_") or "recording", species="Homo sapiens", sex="U", age="P0D/"),
    )
    behavior = file.create_processing_module("behavior", "poses of people")
    skeleton = _skeleton(take)
    behavior.add(Skeletons(skeletons=[skeleton]))
    for track in take.people:
        behavior.add(_estimation(take, track, skeleton))
    return file


def _skeleton(take: Take) -> Any:
    from ndx_pose import Skeleton

    given = take.part.skeleton
    edges = np.array(given.limbs, np.uint8).reshape(-1, 2) if given.k < 256 else None
    return Skeleton(name=given.name, nodes=list(given.keypoints), edges=edges)


def _estimation(take: Take, track: PersonTrack, skeleton: Any) -> Any:
    from ndx_pose import PoseEstimation, PoseEstimationSeries

    xy, times = take.xy(track), take.part.times[track.rows]
    series: list[Any] = []
    for k, joint in enumerate(take.part.skeleton.keypoints):
        series.append(
            PoseEstimationSeries(
                name=joint.replace("/", "_"),
                description=joint,
                data=np.ascontiguousarray(xy[:, k]),
                unit="pixels",
                reference_frame="(0, 0) is the centre of the top left pixel; x to the right, y down",
                timestamps=series[0] if series else times,
                confidence=np.ascontiguousarray(track.score[:, k]),
                confidence_definition="score of the joint, 0..1",
            )
        )
    return PoseEstimation(
        name=f"Person{track.id}",
        pose_estimation_series=series,
        description=f"person {track.id}{', smoothed' if take.options.smoothed else ''}",
        scorer="poseapp",
        source_software="poseapp",
        source_software_version=poseapp.__version__,
        skeleton=skeleton,
    )


def _started(text: Any) -> datetime:
    """When the recording began; 1970 where the recording does not say it, since NWB must have a time."""
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)
    return at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
