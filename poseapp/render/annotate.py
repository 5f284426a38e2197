"""A frame with all that is found in it drawn on it; the window and the recorder share it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from poseapp.core.transform import apply, compose
from poseapp.core.types import FloatArray, ImageArray, Result
from poseapp.render.heatmaps import draw_fields, draw_heatmaps, draw_wheel
from poseapp.render.poses import DrawOptions, draw_poses
from poseapp.render.privacy import PLAIN, blur_faces


def annotate(
    result: Result, options: DrawOptions, out: ImageArray | None = None, hw: tuple[int, int] | None = None
) -> ImageArray:
    """The frame with its poses on it, (H, W, 3) uint8 BGR, in *out* where that has the right size, else in a new array.

    With *hw* the frame is scaled to that size first, and then drawn on: lines stay sharp, and less memory is moved.
    One person is drawn in the colours of the sides of the body, several in those of their identities, with its number.
    Callers that draw every frame give the last array as *out*: the first touch of new memory costs as much as the drawing.
    """
    shape = (*(hw or result.frame.hw), 3)
    image = out if out is not None and out.shape == shape else np.empty(shape, np.uint8)
    if options.background == "picture":
        _lay_down(result.frame.image, image, options.mirror)
    else:
        image[:] = PLAIN[options.background]
    shown, heatmaps = result.shown, result.heatmaps
    if hw is not None and hw != result.frame.hw:
        scale = np.array([hw[1] / result.frame.hw[1], hw[0] / result.frame.hw[0]])
        to_picture = np.column_stack([np.diag(scale), scale / 2 - 0.5])  # integers are centres of pixels
        shown = replace(shown, xy=apply(to_picture, shown.xy))
        heatmaps = tuple(replace(maps, to_frame=compose(to_picture, maps.to_frame)) for maps in heatmaps)
    if options.blur_faces and options.background == "picture":
        blur_faces(image, replace(shown, xy=_mirrored(shown.xy, image.shape[1])) if options.mirror else shown)
    for maps in heatmaps:
        if options.heatmaps:
            draw_heatmaps(image, maps, options.mirror)
        if options.fields:
            draw_fields(image, maps, options.mirror)
    if options.fields and any(maps.fields is not None for maps in result.heatmaps):
        draw_wheel(image)
    if options.skeleton:
        several = result.mode != "one"
        draw_poses(image, shown, options, identities=several, locked=result.locked, faint=result.predicted)
    return image


def _mirrored(xy: FloatArray, width: int) -> FloatArray:
    out: FloatArray = xy.copy()
    out[..., 0] = width - 1 - out[..., 0]
    return out


def _lay_down(frame: ImageArray, image: ImageArray, mirror: bool) -> None:
    """Put *frame* into *image*, which may have another size."""
    h, w = image.shape[:2]
    if (h, w) != frame.shape[:2]:
        # Bilinear sampling leaves pixels out below one half, and thin lines then flicker; cv2 averages halves fastest.
        while h < frame.shape[0] / 2:
            half = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_AREA)
            frame = half.astype(np.uint8, copy=False)
        cv2.resize(frame, (w, h), dst=image, interpolation=cv2.INTER_LINEAR)
        frame = image
    if mirror:
        cv2.flip(frame, 1, dst=image)
    elif frame is not image:
        np.copyto(image, frame)
