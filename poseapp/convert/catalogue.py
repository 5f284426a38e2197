"""Published weights that ``poseapp models fetch`` can get, each with what is needed to run it right. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from poseapp.core.errors import ModelError
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.skeleton import COCO_17, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.spec import Family


@dataclass(frozen=True)
class Entry:
    """One file of published weights.

    ``arch`` names the network in poseapp.convert.checkpoints; ``sha256`` is the whole hash or the first eight
    digits of it, as far as its authors published it, or "" where they did not. ``figure`` is what they say
    that it reaches. ``parameters`` and ``macs`` (one crop) are ours, for the list. ``mirrors`` are other homes of the same file.
    """

    name: str
    family: Family
    arch: str
    url: str
    sha256: str
    licence: str
    data: str
    figure: str
    skeleton: Skeleton
    input_hw: tuple[int, int]
    mapping: Mapping
    decode: Decode
    sigma_px: float
    parameters: int
    macs: int
    mirrors: tuple[str, ...] = ()


_OPENMMLAB = "https://download.openmmlab.com/mmpose/"
_V1 = _OPENMMLAB + "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_"
_COCO = "COCO train2017"
_AP = "COCO val2017, boxes of a detector with 56.4 AP, flip test"


def _coco(
    name: str,
    arch: str,
    url: str,
    sha256: str,
    ap: float,
    hw: tuple[int, int],
    parameters: int,
    macs: int,
    mapping: Mapping = "stride",
    decode: Decode = "quarter",
) -> Entry:
    """MMPose's weights for COCO. Its targets have sigma 2 at 1/4 of 256 px, and 3 at 1/4 of 384 px."""
    family: Family = "hrnet" if arch.startswith("hrnet") else "cpm" if arch == "cpm" else "hourglass"
    sigma = 3.0 if max(hw) == 384 else 2.0
    figure = f"AP {ap:.1f} ({_AP})"
    return Entry(
        name, family, arch, url, sha256, "Apache-2.0", _COCO, figure, COCO_17, hw, mapping, decode, sigma, parameters, macs
    )


def _mpii(
    name: str,
    arch: str,
    url: str,
    sha256: str,
    licence: str,
    figure: str,
    mapping: Mapping,
    sigma_px: float,
    parameters: int,
    macs: int,
) -> Entry:
    family: Family = "hrnet" if arch.startswith("hrnet") else "hourglass"
    return Entry(
        name, family, arch, url, sha256, licence, "MPII Human Pose", figure, MPII_16, (256, 256), mapping, "quarter", sigma_px,
        parameters, macs,
    )  # fmt: skip


_W32, _W48 = 28_536_113, 63_595_745
_G32, _G48 = 7_645_003_776, 15_691_825_152
_G32_384, _G48_384 = 17_201_258_496, 35_306_606_592
_ANIBALI = "https://github.com/anibali/pytorch-stacked-hourglass/releases/download/v0.0.0/"
_CNRIS = "https://www-personal.umich.edu/~cnris/"

_ENTRIES = (
    _coco("hrnet-w32-256x192", "hrnet-w32", _V1 + "hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth", "81c58e40",
          74.9, (256, 192), _W32, _G32),
    _coco("hrnet-w32-384x288", "hrnet-w32", _V1 + "hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909.pth", "ca5956af",
          76.1, (384, 288), _W32, _G32_384),
    _coco("hrnet-w48-256x192", "hrnet-w48", _V1 + "hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth", "0e67c616",
          75.6, (256, 192), _W48, _G48),
    _coco("hrnet-w48-384x288", "hrnet-w48", _V1 + "hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915.pth", "c161b7de",
          76.7, (384, 288), _W48, _G48_384),
    _coco("hrnet-w32-dark-256x192", "hrnet-w32", _OPENMMLAB + "top_down/hrnet/hrnet_w32_coco_256x192_dark-07f147eb_20200812.pth",
          "07f147eb", 75.7, (256, 192), _W32, _G32, decode="dark"),
    _coco("hrnet-w48-dark-384x288", "hrnet-w48", _OPENMMLAB + "top_down/hrnet/hrnet_w48_coco_384x288_dark-e881a4b6_20210203.pth",
          "e881a4b6", 77.2, (384, 288), _W48, _G48_384, decode="dark"),
    _coco("hrnet-w32-udp-256x192", "hrnet-w32", _V1 + "hrnet-w32_udp-8xb64-210e_coco-256x192-73ede547_20220914.pth", "73ede547",
          76.2, (256, 192), _W32, _G32, "udp", "dark"),
    _coco("hrnet-w48-udp-256x192", "hrnet-w48", _V1 + "hrnet-w48_udp-8xb32-210e_coco-256x192-3feaef8f_20220913.pth", "3feaef8f",
          76.8, (256, 192), _W48, _G48, "udp", "dark"),
    _coco("hrnet-w48-udp-384x288", "hrnet-w48", _V1 + "hrnet-w48_udp-8xb32-210e_coco-384x288-70d7ab01_20220913.pth", "70d7ab01",
          77.3, (384, 288), _W48, _G48_384, "udp", "dark"),
    _coco("hourglass52-256x256", "hourglass52", _OPENMMLAB + "top_down/hourglass/hourglass52_coco_256x256-4ec713ba_20200709.pth",
          "4ec713ba", 72.6, (256, 256), 93_667_217, 28_620_161_024),
    _coco("hourglass52-384x384", "hourglass52", _OPENMMLAB + "top_down/hourglass/hourglass52_coco_384x384-be91ba2b_20200812.pth",
          "be91ba2b", 74.6, (384, 384), 93_667_217, 64_395_362_304),
    _coco("cpm-256x192", "cpm", _OPENMMLAB + "top_down/cpm/cpm_coco_256x192-aa4ba095_20200817.pth", "aa4ba095",
          62.3, (256, 192), 31_304_166, 63_736_184_832),
    _coco("cpm-384x288", "cpm", _OPENMMLAB + "top_down/cpm/cpm_coco_384x288-80feb4bc_20200821.pth", "80feb4bc",
          65.0, (384, 288), 31_304_166, 143_406_415_872),
    _mpii("hrnet-w32-mpii", "hrnet-w32", _OPENMMLAB + "top_down/hrnet/hrnet_w32_mpii_256x256-6c4f923f_20200812.pth", "6c4f923f",
          "Apache-2.0", "PCKh@0.5 90.0 (MPII val)", "stride", 2.0, 28_536_080, 10_193_207_296),
    _mpii("hrnet-w48-mpii", "hrnet-w48", _OPENMMLAB + "top_down/hrnet/hrnet_w48_mpii_256x256-92cab7bd_20200812.pth", "92cab7bd",
          "Apache-2.0", "PCKh@0.5 90.1 (MPII val)", "stride", 2.0, 63_595_696, 20_922_236_928),
    _mpii("hourglass-1-mpii", "hourglass-1", _ANIBALI + "bearpaw_hg1-ce125879.pth", "ce125879", "Apache-2.0", "",
          "centre", 1.0, 3_586_960, 5_804_654_592),
    _mpii("hourglass-2-mpii", "hourglass-2", _ANIBALI + "bearpaw_hg2-15e342d9.pth", "15e342d9", "Apache-2.0", "",
          "centre", 1.0, 6_730_912, 8_988_917_760),
    _mpii("hourglass-8-mpii", "hourglass-8", _ANIBALI + "bearpaw_hg8-90e5d470.pth", "90e5d470", "Apache-2.0", "",
          "centre", 1.0, 25_594_624, 28_094_496_768),
    _mpii("hourglass-2-princeton", "hourglass-2", _CNRIS + "original_2hg/checkpoint.pth.tar", "", "BSD-3-Clause",
          "PCKh@0.5 88.5 (MPII val)", "centre", 1.0, 6_570_400, 8_334_606_336),
    _mpii("hourglass-8-princeton", "hourglass-8", _CNRIS + "original_8hg/checkpoint.pth.tar", "", "BSD-3-Clause",
          "PCKh@0.5 90.1 (MPII val)", "centre", 1.0, 25_434_112, 27_440_185_344),
    Entry("openpose-coco", "openpose", "openpose", "https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth",
          "25a948c16078b0f08e236bda51a385d855ef4c153598947c28c0d47ed94bb746",
          "CMU: academic and non-profit, non-commercial research use only", "COCO train2014",
          "AP 61.8 (COCO test-dev, 2017 paper)",
          OPENPOSE_18, (368, 368), "centre", "quarter", 7 / 8, 52_311_446, 135_934_006_784,
          ("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator/ckpts/body_pose_model.pth",)),
)  # fmt: skip

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def entry(name: str) -> Entry:
    """The entry called *name*; ModelError, with the known names, when there is none."""
    if name not in CATALOGUE:
        raise ModelError(f"{name}: not in the catalogue of published weights. There are: {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
