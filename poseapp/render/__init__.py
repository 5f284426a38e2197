"""Draws poses on BGR pictures: ``annotate`` draws all of a frame, the others a part of it."""

from poseapp.render.annotate import annotate
from poseapp.render.colours import IDENTITIES, LEFT, MIDDLE, RIGHT, identity_colour, joint_colour
from poseapp.render.heatmaps import draw_fields, draw_heatmaps
from poseapp.render.poses import DrawOptions, draw_poses
from poseapp.render.privacy import BACKGROUNDS, Background, blur_faces

__all__ = [
    "BACKGROUNDS",
    "IDENTITIES",
    "LEFT",
    "MIDDLE",
    "RIGHT",
    "Background",
    "DrawOptions",
    "annotate",
    "blur_faces",
    "draw_fields",
    "draw_heatmaps",
    "draw_poses",
    "identity_colour",
    "joint_colour",
]
