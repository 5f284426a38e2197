"""Exports: a recording in the formats of other programs. One file a format, one line a format in EXPORTS."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from poseapp.review.exports.base import EveryFrame, ExportFormat, ExportOptions, Take

__all__ = ["EXPORTS", "EveryFrame", "ExportFormat", "ExportOptions", "Take"]


def _writer(module: str, function: str = "write") -> Callable[[Take, Path], None]:
    """The *function* of a *module* of this package, which is imported at the first export: the help lists all formats, and must
    not wait for the libraries that they need.
    """

    def write(take: Take, path: Path) -> None:
        getattr(importlib.import_module(f"{__name__}.{module}"), function)(take, path)

    return write


# By the name that --to takes. No two endings may be the same: they are the only thing that differs in the names of the files.
EXPORTS: dict[str, ExportFormat] = {
    "csv": ExportFormat(label="Table of joints (CSV)", ending=".csv", write=_writer("tidy_csv")),
    "angles": ExportFormat(label="Table of angles (CSV)", ending="-angles.csv", write=_writer("angles_csv"), has_scores=False),
    "xlsx": ExportFormat(label="Excel workbook", ending=".xlsx", write=_writer("xlsx"), packages=("xlsxwriter",), extra="xlsx"),
    "deeplabcut": ExportFormat(
        label="DeepLabCut (CSV)", ending="-dlc.csv", write=_writer("deeplabcut"), one_person=True, of_stills=False
    ),
    "openpose": ExportFormat(
        label="OpenPose BODY_25 (folder of JSON)", ending="-openpose", write=_writer("openpose", "write_body_25"), is_folder=True
    ),
    "openpose18": ExportFormat(
        label="OpenPose COCO_18 (folder of JSON)",
        ending="-openpose18",
        write=_writer("openpose", "write_coco_18"),
        is_folder=True,
    ),
    "coco": ExportFormat(label="COCO keypoints (JSON)", ending="-coco.json", write=_writer("coco")),
    "trc": ExportFormat(
        label="OpenSim markers (TRC)",
        ending=".trc",
        write=_writer("trc"),
        one_person=True,
        has_scores=False,
        of_stills=False,
    ),
    "c3d": ExportFormat(
        label="C3D markers", ending=".c3d", write=_writer("c3d"), one_person=True, has_scores=False, of_stills=False
    ),
    "video": ExportFormat(label="Video with skeletons", ending="-skeleton.mkv", write=_writer("video"), of_stills=False),
    "pictures": ExportFormat(
        label="Pictures with skeletons, of a folder of pictures",
        ending="-skeleton",
        write=_writer("pictures"),
        is_folder=True,
        of_film=False,
    ),
    "nwb": ExportFormat(
        label="NWB with ndx-pose",
        ending=".nwb",
        write=_writer("nwb"),
        packages=("pynwb", "ndx_pose"),
        extra="nwb",
        of_stills=False,
    ),
}
