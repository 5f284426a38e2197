"""Exports: a recording in the formats of other programs. One file a format, one line a format in EXPORTS."""

from __future__ import annotations

from poseapp.review.exports import angles_csv, c3d, coco, deeplabcut, nwb, openpose, tidy_csv, trc, video, xlsx
from poseapp.review.exports.base import EveryFrame, ExportFormat, ExportOptions, Take

__all__ = ["EXPORTS", "EveryFrame", "ExportFormat", "ExportOptions", "Take"]

# By the name that --to takes. No two endings may be the same: they are the only thing that differs in the names of the files.
EXPORTS: dict[str, ExportFormat] = {
    "csv": ExportFormat(label="Table of joints (CSV)", ending=".csv", write=tidy_csv.write),
    "angles": ExportFormat(label="Table of angles (CSV)", ending="-angles.csv", write=angles_csv.write, has_scores=False),
    "xlsx": ExportFormat(label="Excel workbook", ending=".xlsx", write=xlsx.write, packages=("xlsxwriter",), extra="xlsx"),
    "deeplabcut": ExportFormat(label="DeepLabCut (CSV)", ending="-dlc.csv", write=deeplabcut.write, one_person=True),
    "openpose": ExportFormat(
        label="OpenPose BODY_25 (folder of JSON)", ending="-openpose", write=openpose.write_body_25, is_folder=True
    ),
    "openpose18": ExportFormat(
        label="OpenPose COCO_18 (folder of JSON)", ending="-openpose18", write=openpose.write_coco_18, is_folder=True
    ),
    "coco": ExportFormat(label="COCO keypoints (JSON)", ending="-coco.json", write=coco.write),
    "trc": ExportFormat(label="OpenSim markers (TRC)", ending=".trc", write=trc.write, one_person=True, has_scores=False),
    "c3d": ExportFormat(label="C3D markers", ending=".c3d", write=c3d.write, one_person=True, has_scores=False),
    "video": ExportFormat(label="Video with skeletons", ending="-skeleton.mkv", write=video.write),
    "nwb": ExportFormat(label="NWB with ndx-pose", ending=".nwb", write=nwb.write, packages=("pynwb", "ndx_pose"), extra="nwb"),
}
