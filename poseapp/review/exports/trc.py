"""TRC, the marker file of OpenSim and of Motion Analysis: one person, a row for each frame, places in mm.

Layout: "Marker (.trc) Files" in OpenSim's documentation. A recording is flat, in px, with y down; the file has y up from the
bottom of the picture, and z = 0; where the recording has no scale, one mm stands for one px. A missing marker is NaN, as OpenSim
writes it: OpenSim refuses a row that ends in an empty cell.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from poseapp.review.exports.base import EveryFrame, Take


def write(take: Take, path: Path) -> None:
    """See ExportFormat. A time is that of the frame, to the µs."""
    every = EveryFrame.of(take)
    joints, count = take.part.skeleton.keypoints, len(every.t)
    rate = f"{take.fps:g}"
    header = [
        ["PathFileType", "4", "(X/Y/Z)", f"{take.name}.trc"],
        ["DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"],
        [rate, rate, str(count), str(len(joints)), "mm", rate, str(every.first + 1), str(count)],
        ["Frame#", "Time", *(cell for joint in joints for cell in (joint.replace(" ", "_"), "", ""))],
        ["", "", *(f"{axis}{number}" for number in range(1, len(joints) + 1) for axis in "XYZ")],
        [],
    ]
    up = np.array(every.xy)
    up[..., 1] = every.height_px[:, None] - 1 - up[..., 1]  # the centres of the lowest row of pixels are at 0
    up /= take.px_per_mm
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(cells) + "\n" for cells in header)
        for row, t in enumerate(every.t.tolist()):
            cells = [str(every.first + row + 1), f"{t:.6f}"]
            for x, y in up[row].tolist():
                cells += ["NaN"] * 3 if math.isnan(x) else [f"{x:.2f}", f"{y:.2f}", "0"]
            file.write("\t".join(cells) + "\n")
