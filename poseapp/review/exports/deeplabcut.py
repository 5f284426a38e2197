"""DeepLabCut's table of one animal: three lines of header (scorer, bodyparts, coords), then a row for each frame of the video.

Layout: Mathis et al., "DeepLabCut", Nature Neuroscience 21 (2018); the files are written by pandas with three levels of columns.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from poseapp.review.exports.base import EveryFrame, Take, shown

_COORDS = ("x", "y", "likelihood")


def write(take: Take, path: Path) -> None:
    """See ExportFormat. The row is the number of the frame; a frame without the person has likelihoods of 0 and no places.

    It must not be an empty row: where that is the first one, pandas takes it for names and loses a frame.
    """
    every = EveryFrame.of(take, first=0)
    likelihoods = np.nan_to_num(every.score, nan=0.0)
    joints = take.part.skeleton.keypoints
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("scorer", *["poseapp"] * (3 * len(joints))))
        table.writerow(("bodyparts", *(joint for joint in joints for _ in _COORDS)))
        table.writerow(("coords", *_COORDS * len(joints)))
        for number, (xy, score) in enumerate(zip(every.xy.tolist(), likelihoods.tolist(), strict=True)):
            cells = []
            for (x, y), likelihood in zip(xy, score, strict=True):
                cells += [shown(x, 2), shown(y, 2), shown(likelihood, 4)]
            table.writerow((number, *cells))
