"""What crops look like, made on a device for a whole batch at once, as ``Appearance.apply`` makes it for one on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from poseapp.core.types import FloatArray
from poseapp.train.data.augment import Appearance, motion_kernel


def upload(values: NDArray[Any], device: torch.device) -> Tensor:
    """*values* on *device*. To a GPU from pinned memory, so that the CPU prepares the next batch meanwhile."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def pixel_grid(hw: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows (H, 1) and columns (1, W) of pixels."""
    ys = torch.arange(hw[0], device=device, dtype=torch.float32)[:, None]
    return ys, torch.arange(hw[1], device=device, dtype=torch.float32)[None]


def apply(appearance: Appearance, x: Tensor) -> Tensor:
    """Crops *x* (N, 3, H, W) float32 BGR in 0..255 as *appearance* has them; the same, changed in place."""
    device = x.device

    def chosen(which: NDArray[np.generic]) -> tuple[NDArray[np.intp], Tensor]:
        at = np.flatnonzero(which)
        return at, upload(at, device)

    def put(values: NDArray[np.generic], dims: int = 4) -> Tensor:
        """(n,) or (n, c) with so many dimensions, to go with crops."""
        there = upload(np.asarray(values, np.float32), device)
        return there.reshape(*there.shape, *[1] * (dims - there.ndim))

    for step in (_colour, _occlude, _blur, _darken, _noise, _coarsen, _compress, _erase, _frame):
        step(appearance, x, chosen, put)
    return x


Chosen = Callable[[NDArray[np.generic]], tuple[NDArray[np.intp], Tensor]]
Put = Callable[..., Tensor]


def _colour(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.coloured)
    if not len(at):
        return
    bent = (x[index] / 255) ** put(appearance.gamma[at])
    out = (bent - 0.5) * put(appearance.contrast[at]) + 0.5 + put(appearance.brightness[at])
    x[index] = (out * put(appearance.gains[at]) * 255).clamp(0, 255).floor()
    at, index = chosen(appearance.grey)
    if len(at):
        weights = x.new_tensor([0.114, 0.587, 0.299]).view(1, 3, 1, 1)
        x[index] = (x[index] * weights).sum(dim=1, keepdim=True).round().expand(-1, 3, -1, -1)


def _occlude(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.occluded)
    if not len(at):
        return
    cx, cy, a, b, angle = (put(v, 3) for v in appearance.occluder[at].T)
    ys, xs = pixel_grid((x.shape[2], x.shape[3]), x.device)
    along = (xs - cx) * angle.cos() + (ys - cy) * angle.sin()  # (n, H, W)
    across = (ys - cy) * angle.cos() - (xs - cx) * angle.sin()
    ellipse = (along / a).square() + (across / b).square() <= 1
    box = (along.abs() <= a) & (across.abs() <= b)
    mask = torch.where(put(appearance.round[at], 3) > 0, ellipse, box)[:, None]
    behind = x[index]
    texture = (behind.flip(2, 3) * put(appearance.tint[at])).clamp(0, 255).floor()
    x[index] = torch.where(mask, texture, behind)


def _blur(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen((appearance.blur_px > 0) | (appearance.motion_px > 0))
    if not len(at):
        return
    kernels = [
        motion_kernel(int(appearance.motion_px[n]), float(appearance.motion_angle[n]))
        if appearance.motion_px[n]
        else _gaussian_kernel(float(appearance.blur_px[n]))
        for n in at
    ]
    size = max(len(k) for k in kernels) | 1
    together = np.zeros((len(at), size, size), np.float32)
    for out, k in zip(together, kernels, strict=True):
        begin = size // 2 - len(k) // 2  # where the middle of each is the middle of all
        out[begin : begin + len(k), begin : begin + len(k)] = k
    n, c, h, w = len(at), *x.shape[1:]
    edge = size // 2
    padded = F.pad(x[index], (edge,) * 4, mode="reflect").reshape(1, n * c, h + 2 * edge, w + 2 * edge)
    weight = upload(together, x.device)[:, None].repeat_interleave(c, dim=0)  # (n · c, 1, size, size)
    with torch.autocast(x.device.type, enabled=False):
        x[index] = F.conv2d(padded, weight, groups=n * c).reshape(n, c, h, w).round()


def _gaussian_kernel(sigma: float) -> FloatArray:
    """What cv2.GaussianBlur takes for bytes."""
    line = cv2.getGaussianKernel(round(sigma * 6 + 1) | 1, sigma, cv2.CV_32F)
    return (line @ line.T).astype(np.float32)


def _darken(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.light != 1)
    if len(at):
        x[index] = (x[index] * put(appearance.light[at])).round()


def _noise(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.noise > 0)
    if not len(at):
        return
    generator = torch.Generator(x.device).manual_seed(int(appearance.noise_seed[at[0]]))
    noise = torch.randn((len(at), *x.shape[1:]), generator=generator, device=x.device)
    x[index] = (x[index] + (noise * put(appearance.noise[at])).round()).clamp(0, 255)


def _coarsen(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    h, w = x.shape[2:]
    for factor in (2, 3):
        at, index = chosen(appearance.coarse == factor)
        if len(at):
            small = F.interpolate(x[index], (h // factor, w // factor), mode="area").round()
            x[index] = F.interpolate(small, (h, w), mode="bilinear", align_corners=False).round()


def _compress(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.quality)
    if len(at):
        x[index] = jpeg(x[index], upload(appearance.quality[at], x.device))


def _erase(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    at, index = chosen(appearance.erased[:, 2] > appearance.erased[:, 0])
    if len(at):
        inside = _inside(appearance.erased[at], x, put)
        x[index] = torch.where(inside, put(appearance.erase_colour[at]), x[index])


def _frame(appearance: Appearance, x: Tensor, chosen: Chosen, put: Put) -> None:
    h, w = x.shape[2:]
    at, index = chosen((appearance.frame != (0, 0, w, h)).any(axis=1))
    if len(at):
        x[index] = torch.where(_inside(appearance.frame[at], x, put), x[index], 0.0)


def _inside(rectangles: NDArray[np.int64], x: Tensor, put: Put) -> Tensor:
    """Which pixels (n, 1, H, W) lie in left, top, right, bottom (n, 4)."""
    x0, y0, x1, y1 = (put(v, 3) for v in rectangles.T)
    ys, xs = pixel_grid((x.shape[2], x.shape[3]), x.device)
    return ((xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1))[:, None]


# The tables of ITU-T T.81, Annex K, that libjpeg scales by quality.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87,
    80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92,
    95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99,
    99, 99, *(99,) * 32,
)  # fmt: skip


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Crops *x* (N, 3, H, W) float32 BGR in 0..255 as JPEG of *quality* (N,) leaves them (ITU-T T.81, chroma at half size).

    What is lost in a file is lost in rounding the cosine transform of 8×8 blocks, so there is no need to write one.
    """
    h, w = x.shape[2:]
    x = F.pad(x, (0, -w % 16, 0, -h % 16), mode="replicate")
    b, g, r = x.unbind(1)
    luminance = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = torch.stack([(b - luminance) * 0.564 + 128, (r - luminance) * 0.713 + 128], dim=1)
    chroma = F.avg_pool2d(chroma, 2).round()
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    luminance = _rounded_blocks(luminance[:, None].round(), scale, _LUMINANCE)[:, 0]
    chroma = F.interpolate(_rounded_blocks(chroma, scale, _CHROMINANCE), scale_factor=2.0, mode="bilinear", align_corners=False)
    blue, red = chroma.unbind(1)
    blue, red = blue - 128, red - 128
    out = torch.stack([luminance + 1.772 * blue, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.402 * red], dim=1)
    return out[..., :h, :w].round().clamp(0, 255)


def _rounded_blocks(x: Tensor, scale: Tensor, table: tuple[int, ...]) -> Tensor:
    """Planes (N, C, H, W) after the cosine transform of each 8×8 block was rounded to the steps of *table* · *scale* (N,) %."""
    n, c, h, w = x.shape
    steps = ((x.new_tensor(table) * scale[:, None] + 50) / 100).floor().clamp(1, 255).view(n, 1, 1, 1, 8, 8)
    k = torch.arange(8, device=x.device, dtype=torch.float32)
    cosine = torch.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16) / 2
    cosine[0] /= 2**0.5
    blocks = (x - 128).view(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)  # (N, C, H/8, W/8, 8, 8)
    with torch.autocast(x.device.type, enabled=False):
        kept = ((cosine @ blocks @ cosine.T) / steps).round() * steps
        back = cosine.T @ kept @ cosine
    return (back.transpose(3, 4).reshape(n, c, h, w) + 128).round().clamp(0, 255)
