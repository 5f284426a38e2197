"""The deployed graph: uint8 BGR crops → normalise → network → decode → keypoints.

Normalisation and decoding live in the graph, so every backend runs the same arithmetic and only
K × 3 numbers a person come back. Decoding follows ``poseapp.core.heatmap.decode`` to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from poseapp.core.decoding_tables import blur_around, derivatives, mirrored_maps
from poseapp.core.heatmap import Decode, Mapping, input_px_at_origin, input_px_per_cell, times_odds
from poseapp.core.pixels import IMAGENET_RGB, Pixels
from poseapp.core.skeleton import Skeleton
from poseapp.core.spec import ModelSpec

IMAGENET_MEAN, IMAGENET_STD = IMAGENET_RGB.mean, IMAGENET_RGB.std


class Normalise(nn.Module):
    """(N, H, W, 3) uint8 BGR → (N, 3, H, W) float32 RGB (or BGR), minus *mean*, over *std* (in 0..1)."""

    mean: Tensor
    std: Tensor
    rgb: Tensor

    def __init__(self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD, bgr: bool = False) -> None:
        super().__init__()
        self.bgr = bgr
        # Indices lie where the pixels are: a list would be copied up at each call, which no CUDA graph can capture.
        self.register_buffer("rgb", torch.tensor([2, 1, 0]), persistent=False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, crops: Tensor) -> Tensor:
        # The cast comes first: TensorRT can do nothing else with uint8.
        x = crops.to(self.mean.dtype).permute(0, 3, 1, 2)  # (N, 3, H, W)
        if not self.bgr:
            x = x.index_select(1, self.rgb)
        return (x - self.mean) / self.std


class HeatmapDecoder(nn.Module):
    """(N, K, h, w) heatmaps → (N, K, 3) x, y in input px and score, by the *decode* rule and *mapping*.

    A score is the height h of the peak with its odds h / (1 - h) multiplied by *score_odds*, which a model's calibration
    finds (train/eval/contact_sheets.py). Unlike a plain factor, this keeps 0, 1 and the order of the scores.
    """

    scale: Tensor
    origin: Tensor
    blur_y: Tensor
    blur_x: Tensor
    derivatives: Tensor

    def __init__(
        self,
        input_hw: tuple[int, int],
        heatmap_hw: tuple[int, int],
        decode: Decode,
        mapping: Mapping,
        sigma_px: float,
        score_odds: float = 1.0,
    ) -> None:
        super().__init__()
        self.hw = heatmap_hw
        self.rule = decode
        self.score_odds = score_odds
        scale = input_px_per_cell(input_hw, heatmap_hw, mapping)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        origin = input_px_at_origin(input_hw, heatmap_hw, mapping)
        self.register_buffer("origin", torch.tensor(origin, dtype=torch.float32))
        blur_y, blur_x = (torch.from_numpy(blur_around(cells, sigma_px)) for cells in heatmap_hw)
        self.register_buffer("blur_y", blur_y)  # (h, 5, h)
        self.register_buffer("blur_x", blur_x)  # (w, 5, w)
        self.register_buffer("derivatives", torch.from_numpy(derivatives()))  # (25, 5)

    def forward(self, heatmaps: Tensor) -> Tensor:
        h, w = self.hw
        n, k = heatmaps.shape[:2]
        flat = heatmaps.reshape(n, k, h * w)
        score, best = flat.max(dim=2)  # (N, K)
        x, y = best % w, torch.div(best, w, rounding_mode="floor")
        xy = torch.stack([x, y], dim=2).to(heatmaps.dtype)  # (N, K, 2)
        if self.rule == "quarter":
            xy = xy + self._quarter_offset(flat, x, y)
        elif self.rule == "dark":
            xy = xy + self._dark_offset(heatmaps, x, y)
        score = times_odds(score, self.score_odds) if self.score_odds != 1 else score.clamp(0, 1)
        return torch.cat([xy * self.scale + self.origin, score.unsqueeze(2)], dim=2)  # (N, K, 3)

    def _quarter_offset(self, flat: Tensor, x: Tensor, y: Tensor) -> Tensor:
        h, w = self.hw
        right, left = (x + 1).clamp(max=w - 1), (x - 1).clamp(min=0)
        below, above = (y + 1).clamp(max=h - 1), (y - 1).clamp(min=0)
        at = torch.stack([y * w + right, y * w + left, below * w + x, above * w + x], dim=2)  # (N, K, 4)
        v = flat.gather(2, at)
        sign = torch.stack([v[..., 0] - v[..., 1], v[..., 2] - v[..., 3]], dim=2).sign()
        inside = torch.stack([(x > 0) & (x < w - 1), (y > 0) & (y < h - 1)], dim=2)
        return sign * inside.to(sign.dtype) * 0.25

    def _dark_offset(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        h, w = self.hw
        # The blur is asked for at 5×5 px of each map alone, and as two products: a convolution of all costs ten times that.
        around = self.blur_y[y] @ heatmaps @ self.blur_x[x].transpose(2, 3)  # (N, K, 5, 5)
        log = around.clamp(min=1e-10).log().flatten(2)
        gx, gy, hxx, hyy, hxy = (log @ self.derivatives).unbind(2)  # (N, K) each
        inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
        determinant = hxx * hyy - hxy * hxy
        solvable = inside & (determinant.abs() > 1e-10)
        safe = torch.where(solvable, determinant, torch.ones_like(determinant))
        dx, dy = (hxy * gy - hyy * gx) / safe, (hxy * gx - hxx * gy) / safe
        good = solvable & (dx.abs() <= 1) & (dy.abs() <= 1)
        return torch.stack([dx, dy], dim=2) * good.unsqueeze(2).to(dx.dtype)


class Deploy(nn.Module):
    """A network with its normalisation before it and its decoding behind it.

    Input ``crops`` (N, H, W, 3) uint8 BGR; outputs ``keypoints`` (N, K, 3) and ``heatmaps`` (N, K, h, w).
    *joints* keeps the first so many maps: CPM and OpenPose have a background map after the joints.
    *fields* is the number of the network's last maps that are part affinity fields: they are the third output, ``fields``.
    *flip* averages in the maps of the mirrored crop, at twice the cost (poseapp.core.heatmap.with_mirrored).
    """

    flip_index: Tensor
    flip_sign: Tensor

    def __init__(
        self,
        net: nn.Module,
        normalise: Normalise,
        decoder: HeatmapDecoder,
        joints: int,
        flip: FlipTest | None = None,
        fields: int = 0,
    ) -> None:
        super().__init__()
        self.normalise, self.net, self.decoder, self.joints, self.fields = normalise, net, decoder, joints, fields
        self.flip = flip
        if flip is not None:
            index, sign = mirrored_maps(flip.skeleton, joints, fields)
            self.register_buffer("flip_index", torch.tensor(index), persistent=False)
            self.register_buffer("flip_sign", torch.tensor(sign).view(1, -1, 1, 1), persistent=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the graph's outputs, in order."""
        return ("keypoints", "heatmaps", "fields") if self.fields else ("keypoints", "heatmaps")

    @classmethod
    def of(cls, net: nn.Module, spec: ModelSpec, pixels: Pixels, flip: bool = False) -> Deploy:
        """The deployed form of *net* as *spec* describes it."""
        decoder = HeatmapDecoder(spec.input_hw, spec.heatmap_hw, spec.heatmap_decode, spec.mapping, spec.sigma_px)
        test = FlipTest(spec.skeleton, spec.mapping) if flip else None
        fields = 2 * len(spec.skeleton.limbs) if spec.has_affinity_fields else 0
        return cls(net, Normalise(pixels.mean, pixels.std, pixels.bgr), decoder, spec.skeleton.k, test, fields)

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        pixels = self.normalise(crops)  # (N, 3, H, W)
        maps = self._maps(pixels)  # (N, K, h, w), with fields (N, K + 2 L, h, w)
        if self.flip is not None:
            back = self._maps(pixels.flip(3)).index_select(1, self.flip_index).flip(3)
            if self.fields:
                back = back * self.flip_sign
            if self.flip.mapping == "stride":
                back = torch.cat([back[..., :1], back[..., :-1]], dim=3)
            maps = (maps + back) * 0.5
        if not self.fields:
            return self.decoder(maps), maps
        heatmaps = maps[:, : self.joints]
        return self.decoder(heatmaps), heatmaps, maps[:, self.joints :]

    def _maps(self, pixels: Tensor) -> Tensor:
        """The joints' maps, then the fields, without the background between them."""
        maps = self.net(pixels)
        if isinstance(maps, (list, tuple)):
            maps = maps[-1]  # the last stage is the answer; the others are for training
        heatmaps: Tensor = maps[:, : self.joints]
        return torch.cat([heatmaps, maps[:, -self.fields :]], dim=1) if self.fields else heatmaps


@dataclass(frozen=True)
class FlipTest:
    """What averaging with the mirrored crop needs to know."""

    skeleton: Skeleton
    mapping: Mapping
