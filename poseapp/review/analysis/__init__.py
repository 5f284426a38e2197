"""Analysing every picture of a clip or a recording, in the background, with stops on the way.

``placing.py`` says which frame of the source each picture of the clean video is. ``files.py`` keeps what is done between two
runs. ``identities.py`` gives people the same numbers after a stop as before it. ``analysis.py`` does the work, and
``clip_copy.py`` makes the recording that a clip is analysed in.
"""

from poseapp.review.analysis.analysis import Analysis, AnalysisProgress
from poseapp.review.analysis.clip_copy import copy_clip, unfinished_copy
from poseapp.review.analysis.files import Unfinished, unfinished_analysis

__all__ = ["Analysis", "AnalysisProgress", "Unfinished", "copy_clip", "unfinished_analysis", "unfinished_copy"]
