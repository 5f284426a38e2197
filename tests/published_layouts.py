"""The published networks written down literally, each as one function over named weights.

A :class:`Tape` makes a weight, seeded and of the right shape, the first time that a function asks for its name.
So one function is at once the published layout (names and shapes) and the published arithmetic, in torch
primitives and without a line of poseapp: what it computes is what an import must reproduce.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Tape:
    """Weights by name, made on demand: convolutions keep the variance, BatchNorm statistics are off their defaults."""

    def __init__(self, seed: int, gain: float = 2.0) -> None:
        self.state: dict[str, Tensor] = {}
        self.gain = gain  # of the convolutions' variance; a long sum of stacks needs less of it
        self._random = torch.Generator().manual_seed(seed)

    def _get(self, name: str, shape: tuple[int, ...], scale: float, offset: float = 0.0) -> Tensor:
        if name not in self.state:
            self.state[name] = torch.randn(shape, generator=self._random) * scale + offset
        assert self.state[name].shape == shape
        return self.state[name]

    def conv(
        self, name: str, x: Tensor, out: int, kernel: int, stride: int = 1, pad: int | None = None, bias: bool = True
    ) -> Tensor:
        fan = x.shape[1] * kernel * kernel
        weight = self._get(f"{name}.weight", (out, x.shape[1], kernel, kernel), (self.gain / fan) ** 0.5)
        offset = self._get(f"{name}.bias", (out,), 0.1) if bias else None
        return F.conv2d(x, weight, offset, stride=stride, padding=kernel // 2 if pad is None else pad)

    def bn(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        c = x.shape[1]
        weight, bias = self._get(f"{name}.weight", (c,), 0.1, 0.5), self._get(f"{name}.bias", (c,), 0.1)
        mean = self._get(f"{name}.running_mean", (c,), 0.1)
        if f"{name}.running_var" not in self.state:
            self.state[f"{name}.running_var"] = torch.rand((c,), generator=self._random) + 0.5
            self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)
        var = self.state[f"{name}.running_var"]
        shape = (1, c, 1, 1)
        return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps) * weight.view(shape) + bias.view(shape)


def up(x: Tensor, factor: int = 2) -> Tensor:
    return x.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


# ---- HRNet, leoxiaobin/deep-high-resolution-net.pytorch ----------------------------------------------------


def hrnet(t: Tape, image: Tensor, width: int, joints: int, backbone: str = "", head: str = "", with_head: bool = True) -> Tensor:
    b = backbone

    def conv_bn(name: str, bn: str, x: Tensor, out: int, kernel: int, stride: int = 1) -> Tensor:
        return t.bn(bn, t.conv(name, x, out, kernel, stride, bias=False))

    x = conv_bn(f"{b}conv1", f"{b}bn1", image, 64, 3, 2).relu()
    x = conv_bn(f"{b}conv2", f"{b}bn2", x, 64, 3, 2).relu()
    for i in range(4):
        n = f"{b}layer1.{i}"
        y = conv_bn(f"{n}.conv1", f"{n}.bn1", x, 64, 1).relu()
        y = conv_bn(f"{n}.conv2", f"{n}.bn2", y, 64, 3).relu()
        y = conv_bn(f"{n}.conv3", f"{n}.bn3", y, 256, 1)
        x = (y + (conv_bn(f"{n}.downsample.0", f"{n}.downsample.1", x, 256, 1) if i == 0 else x)).relu()

    n = f"{b}transition1"
    branches = [
        conv_bn(f"{n}.0.0", f"{n}.0.1", x, width, 3).relu(),
        conv_bn(f"{n}.1.0.0", f"{n}.1.0.1", x, 2 * width, 3, 2).relu(),
    ]
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        if stage > 2:
            n = f"{b}transition{stage - 1}.{stage - 1}.0"
            branches = [*branches, conv_bn(f"{n}.0", f"{n}.1", branches[-1], width * 2 ** (stage - 1), 3, 2).relu()]
        for m in range(modules):
            only_first = stage == 4 and m == modules - 1
            branches = _exchange(t, conv_bn, f"{b}stage{stage}.{m}", branches, 1 if only_first else stage)
    return t.conv(f"{head}final_layer", branches[0], joints, 1) if with_head else branches[0]


def _exchange(t: Tape, conv_bn, name: str, branches: list[Tensor], outputs: int) -> list[Tensor]:  # type: ignore[no-untyped-def]
    done = []
    for i, x in enumerate(branches):
        for block in range(4):
            n = f"{name}.branches.{i}.{block}"
            y = conv_bn(f"{n}.conv1", f"{n}.bn1", x, x.shape[1], 3).relu()
            x = (conv_bn(f"{n}.conv2", f"{n}.bn2", y, x.shape[1], 3) + x).relu()
        done.append(x)
    fused = []
    for i in range(outputs):
        total = torch.zeros_like(done[i])
        for j, x in enumerate(done):
            n, out = f"{name}.fuse_layers.{i}.{j}", done[i].shape[1]
            if i == j:
                total = total + x
            elif j > i:
                total = total + up(conv_bn(f"{n}.0", f"{n}.1", x, out, 1), 2 ** (j - i))
            else:
                y = x
                for k in range(i - j):
                    last = k == i - j - 1
                    y = conv_bn(f"{n}.{k}.0", f"{n}.{k}.1", y, out if last else x.shape[1], 3, 2)
                    y = y if last else y.relu()
                total = total + y
        fused.append(total.relu())
    return fused


# ---- Stacked Hourglass -------------------------------------------------------------------------------------


def princeton(t: Tape, image: Tensor, stacks: int, joints: int) -> list[Tensor]:
    """princeton-vl/pytorch_stacked_hourglass, models/posenet.py and layers.py."""

    def residual(name: str, x: Tensor, out: int) -> Tensor:
        y = t.conv(f"{name}.conv1.conv", t.bn(f"{name}.bn1", x).relu(), out // 2, 1)
        y = t.conv(f"{name}.conv2.conv", t.bn(f"{name}.bn2", y).relu(), out // 2, 3)
        y = t.conv(f"{name}.conv3.conv", t.bn(f"{name}.bn3", y).relu(), out, 1)
        # The file has a projection for every residual; the network uses it where the width changes.
        projected = t.conv(f"{name}.skip_layer.conv", x, out, 1)
        return y + (projected if x.shape[1] != out else x)

    def hourglass(name: str, x: Tensor, n: int) -> Tensor:
        side = residual(f"{name}.up1", x, 256)
        low = residual(f"{name}.low1", F.max_pool2d(x, 2, 2), 256)
        low = hourglass(f"{name}.low2", low, n - 1) if n > 1 else residual(f"{name}.low2", low, 256)
        return side + up(residual(f"{name}.low3", low, 256))

    x = t.bn("pre.0.bn", t.conv("pre.0.conv", image, 64, 7, 2)).relu()
    x = F.max_pool2d(residual("pre.1", x, 128), 2, 2)
    x = residual("pre.4", residual("pre.3", x, 128), 256)
    outputs = []
    for i in range(stacks):
        y = residual(f"features.{i}.0", hourglass(f"hgs.{i}.0", x, 4), 256)
        y = t.bn(f"features.{i}.1.bn", t.conv(f"features.{i}.1.conv", y, 256, 1)).relu()
        outputs.append(t.conv(f"outs.{i}.conv", y, joints, 1))
        if i < stacks - 1:
            x = x + t.conv(f"merge_preds.{i}.conv.conv", outputs[-1], 256, 1) + t.conv(f"merge_features.{i}.conv.conv", y, 256, 1)
    return outputs


def bearpaw(t: Tape, image: Tensor, stacks: int, joints: int, blocks: int = 1) -> list[Tensor]:
    """bearpaw/pytorch-pose, pose/models/hourglass.py; anibali/pytorch-stacked-hourglass keeps it."""

    def bottleneck(name: str, x: Tensor, out: int) -> Tensor:
        y = t.conv(f"{name}.conv1", t.bn(f"{name}.bn1", x).relu(), out // 2, 1)
        y = t.conv(f"{name}.conv2", t.bn(f"{name}.bn2", y).relu(), out // 2, 3)
        y = t.conv(f"{name}.conv3", t.bn(f"{name}.bn3", y).relu(), out, 1)
        return y + (t.conv(f"{name}.downsample.0", x, out, 1) if x.shape[1] != out else x)

    def residuals(name: str, x: Tensor) -> Tensor:
        for b in range(blocks):
            x = bottleneck(f"{name}.{b}", x, 256)
        return x

    def hourglass(name: str, x: Tensor, n: int) -> Tensor:
        side = residuals(f"{name}.{n - 1}.0", x)
        low = residuals(f"{name}.{n - 1}.1", F.max_pool2d(x, 2, 2))
        low = hourglass(name, low, n - 1) if n > 1 else residuals(f"{name}.0.3", low)
        return side + up(residuals(f"{name}.{n - 1}.2", low))

    x = t.bn("bn1", t.conv("conv1", image, 64, 7, 2)).relu()
    x = F.max_pool2d(bottleneck("layer1.0", x, 128), 2, 2)
    x = bottleneck("layer3.0", bottleneck("layer2.0", x, 256), 256)
    outputs = []
    for i in range(stacks):
        y = residuals(f"res.{i}", hourglass(f"hg.{i}.hg", x, 4))
        y = t.bn(f"fc.{i}.1", t.conv(f"fc.{i}.0", y, 256, 1)).relu()
        outputs.append(t.conv(f"score.{i}", y, joints, 1))
        if i < stacks - 1:
            x = x + t.conv(f"fc_.{i}", y, 256, 1) + t.conv(f"score_.{i}", outputs[-1], 256, 1)
    return outputs


def mmpose_hourglass52(t: Tape, image: Tensor, joints: int, head: str) -> Tensor:
    """MMPose, mmpose/models/backbones/hourglass.py with num_stacks=1, and a 1×1 head."""

    def block(name: str, x: Tensor, out: int, stride: int = 1) -> Tensor:
        y = t.bn(f"{name}.bn1", t.conv(f"{name}.conv1", x, out, 3, stride, bias=False)).relu()
        y = t.bn(f"{name}.bn2", t.conv(f"{name}.conv2", y, out, 3, bias=False))
        if stride != 1 or x.shape[1] != out:
            x = t.bn(f"{name}.downsample.1", t.conv(f"{name}.downsample.0", x, out, 1, stride, bias=False))
        return (y + x).relu()

    def layer(name: str, x: Tensor, n: int, out: int, stride: int = 1, change_first: bool = True) -> Tensor:
        for i in range(n):
            change = i == (0 if change_first else n - 1)
            x = block(f"{name}.{i}", x, out if change_first or change else x.shape[1], stride if change else 1)
        return x

    widths, blocks = (256, 256, 384, 384, 384, 512), (2, 2, 2, 2, 2, 4)

    def hourglass(name: str, x: Tensor, d: int) -> Tensor:
        side = layer(f"{name}.up1", x, blocks[d], widths[d])
        low = layer(f"{name}.low1", x, blocks[d], widths[d + 1], stride=2)
        low = hourglass(f"{name}.low2", low, d + 1) if d < 4 else layer(f"{name}.low2", low, blocks[d + 1], widths[d + 1])
        return side + up(layer(f"{name}.low3", low, blocks[d], widths[d], change_first=False))

    x = t.bn("backbone.stem.0.bn", t.conv("backbone.stem.0.conv", image, 128, 7, 2, bias=False)).relu()
    x = layer("backbone.stem.1", x, 1, 256, stride=2)
    block("backbone.inters.0", x, 256)  # in the file, not in the network: it would follow a second stack
    x = hourglass("backbone.hourglass_modules.0", x, 0)
    x = t.bn("backbone.out_convs.0.bn", t.conv("backbone.out_convs.0.conv", x, 256, 3, bias=False)).relu()
    return t.conv(f"{head}.multi_final_layers.0", x, joints, 1)


# ---- Convolutional Pose Machines ---------------------------------------------------------------------------


def mmpose_cpm(t: Tape, image: Tensor, joints: int, stages: int) -> list[Tensor]:
    """MMPose, mmpose/models/backbones/cpm.py."""

    def module(name: str, x: Tensor, out: int, kernel: int) -> Tensor:
        return t.bn(f"{name}.bn", t.conv(f"{name}.conv", x, out, kernel, bias=False)).relu()

    def trunk(name: str) -> Tensor:
        x = image
        for i in (0, 2, 4):
            x = F.max_pool2d(module(f"{name}.{i}", x, 128, 9), 3, 2, 1)
        return x

    x = module("backbone.stem.7", module("backbone.stem.6", trunk("backbone.stem"), 32, 5), 512, 9)
    beliefs = [t.conv("backbone.stem.9.conv", module("backbone.stem.8", x, 512, 1), joints, 1)]
    features = trunk("backbone.middle")
    for i in range(stages - 1):
        x = torch.cat([beliefs[-1], module(f"backbone.middle_conv.{i}.0", features, 32, 5)], 1)
        for k in range(3):
            x = module(f"backbone.cpm_stages.{i}.model.{k}", x, 128, 11)
        x = module(f"backbone.out_convs.{i}.0", x, 128, 1)
        beliefs.append(t.conv(f"backbone.out_convs.{i}.1.conv", x, joints, 1))
    return beliefs


def caffe_cpm(t: Tape, image: Tensor, maps: int, stages: int) -> list[Tensor]:
    """shihenw/convolutional-pose-machines-release, model/_trained_FLIC/pose_deploy.prototxt."""
    h, w = image.shape[2:]

    def pool(x: Tensor) -> Tensor:  # Caffe: 3×3/2 without padding, the last window may jut out
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)

    # The centre map, 21 px wide, averaged over 9×9 windows, of which the last ones are cut off at 8.
    grid_y, grid_x = torch.meshgrid(torch.arange(h) - h / 2, torch.arange(w) - w / 2, indexing="ij")
    gaussian = torch.exp(-(grid_x**2 + grid_y**2) / (2 * 21**2))
    centre = torch.stack([gaussian[i : i + 9, j : j + 9].mean() for i in range(0, h, 8) for j in range(0, w, 8)])
    centre = centre.view(1, 1, h // 8, w // 8).expand(len(image), -1, -1, -1)

    x = image
    for i in (1, 2, 3):
        x = pool(t.conv(f"conv{i}_stage1", x, 128, 9).relu())
    x = t.conv("conv5_stage1", t.conv("conv4_stage1", x, 32, 5).relu(), 512, 9).relu()
    beliefs = [t.conv("conv7_stage1", t.conv("conv6_stage1", x, 512, 1).relu(), maps, 1)]
    features = image
    for i in (1, 2, 3):
        features = pool(t.conv(f"conv{i}_stage2", features, 128, 9).relu())
    for stage in range(2, stages + 1):
        reduced = t.conv("conv4_stage2" if stage == 2 else f"conv1_stage{stage}", features, 32, 5).relu()
        x = torch.cat([reduced, beliefs[-1], centre], 1)
        for k in (1, 2, 3):
            x = t.conv(f"Mconv{k}_stage{stage}", x, 128, 11).relu()
        x = t.conv(f"Mconv4_stage{stage}", x, 128, 1).relu()
        beliefs.append(t.conv(f"Mconv5_stage{stage}", x, maps, 1))
    return beliefs


# ---- OpenPose ----------------------------------------------------------------------------------------------

_VGG = "conv1_1 conv1_2 pool conv2_1 conv2_2 pool conv3_1 conv3_2 conv3_3 conv3_4 pool conv4_1 conv4_2 conv4_3_CPM conv4_4_CPM"
_VGG_OUT = {"conv1": 64, "conv2": 128, "conv3": 256, "conv4_1": 512, "conv4_2": 512, "conv4_3_CPM": 256, "conv4_4_CPM": 128}


def openpose(t: Tape, image: Tensor, stages: int, naming: str) -> list[tuple[Tensor, Tensor]]:
    """CMU's COCO body model, pose_deploy_linevec.prototxt; *naming* "caffe", "blocks" or "numbers"."""

    def name(block: str, index: int, layer: str) -> str:
        return {"caffe": layer, "blocks": f"{block}.{layer}", "numbers": f"{block}.{index}"}[naming]

    x, index = image, 0
    for layer in _VGG.split():
        if layer == "pool":
            x, index = F.max_pool2d(x, 2, 2), index + 1
        else:
            out = _VGG_OUT.get(layer) or _VGG_OUT[layer[:5]]
            x, index = t.conv(name("model0", index, layer), x, out, 3).relu(), index + 2
    features, seen, outputs = x, x, []
    for stage in range(1, stages + 1):
        pair = []
        for branch, maps in ((1, 38), (2, 19)):
            block, y = f"model{stage}_{branch}", seen
            if stage == 1:
                layers = [(f"conv5_{i}_CPM_L{branch}", 128 if i < 4 else 512, 3 if i < 4 else 1) for i in range(1, 5)]
                last = f"conv5_5_CPM_L{branch}"
            else:
                layers = [(f"Mconv{i}_stage{stage}_L{branch}", 128, 7 if i < 6 else 1) for i in range(1, 7)]
                last = f"Mconv7_stage{stage}_L{branch}"
            for i, (layer, out, kernel) in enumerate(layers):
                y = t.conv(name(block, 2 * i, layer), y, out, kernel).relu()
            pair.append(t.conv(name(block, 2 * len(layers), last), y, maps, 1))
        outputs.append((pair[0], pair[1]))
        seen = torch.cat([pair[0], pair[1], features], 1)
    return outputs
