"""Published weights that ``poseapp models fetch`` can get, each with all that is needed to run it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from poseapp.core.errors import ModelError
from poseapp.core.heatmap import Mapping
from poseapp.core.skeleton import COCO_17, COCO_23, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.spec import Family, JointRule


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of published weights.

    ``arch`` is the name of the network in poseapp.convert.checkpoints, or of a graph that is ready to run. ``sha256`` is the
    whole hash or its first eight digits, as its authors published it, or as several who have checked the file do, or "" where
    nobody did. ``figure`` is the accuracy that the authors state. ``parameters`` and ``macs`` (one crop) are counts, for the
    list; None where nobody has told them. ``mirrors`` are other places of the same file. ``file_bytes`` is its size where that
    is known, ``graph_sha256`` the hash of the graph in an archive whose own hash is not known.
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
    decode: JointRule
    sigma_px: float
    parameters: int
    macs: int | None
    mirrors: tuple[str, ...] = ()
    file_bytes: int | None = None
    graph_sha256: str = ""

    @property
    def urls(self) -> tuple[str, ...]:
        """All homes of the file, the one to ask first at the front."""
        return self.url, *self.mirrors

    @property
    def about_bytes(self) -> int | None:
        """About how large the file is: four bytes a weight. None for a training's checkpoint, which holds more than weights."""
        if self.file_bytes is not None:
            return self.file_bytes
        return None if self.url.endswith(".tar") else 4 * self.parameters


_OPENMMLAB = "https://download.openmmlab.com/mmpose/"
_TOP_DOWN = _OPENMMLAB + "top_down/"
_V1 = _OPENMMLAB + "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_"
_ANIBALI = "https://github.com/anibali/pytorch-stacked-hourglass/releases/download/v0.0.0/"
_CNRIS = "https://www-personal.umich.edu/~cnris/"
_HUGGING_FACE = "https://huggingface.co/lllyasviel/"


def _ap(ap: float) -> str:
    return f"AP {ap:.1f} (COCO val2017, boxes of a detector with 56.4 AP, flip test)"


# Each of these is one entry, from which others of its kind differ in what ``replace`` names.
# MMPose's targets for COCO have sigma 2 at 1/4 of 256 px, and 3 at 1/4 of 384 px.
_W32 = Entry(
    name="hrnet-w32-256x192", family="hrnet", arch="hrnet-w32",
    url=_V1 + "hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth", sha256="81c58e40",
    licence="Apache-2.0", data="COCO train2017", figure=_ap(74.9),
    skeleton=COCO_17, input_hw=(256, 192), mapping="stride", decode="quarter", sigma_px=2.0,
    parameters=28_536_113, macs=7_645_003_776,
)  # fmt: skip
_W48 = replace(
    _W32, name="hrnet-w48-256x192", arch="hrnet-w48",
    url=_V1 + "hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth", sha256="0e67c616",
    figure=_ap(75.6), parameters=63_595_745, macs=15_691_825_152,
)  # fmt: skip
_W48_384 = replace(
    _W48, name="hrnet-w48-384x288",
    url=_V1 + "hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915.pth", sha256="c161b7de",
    figure=_ap(76.7), input_hw=(384, 288), sigma_px=3.0, macs=35_306_606_592,
)  # fmt: skip
_HOURGLASS_52 = replace(
    _W32, name="hourglass52-256x256", family="hourglass", arch="hourglass52",
    url=_TOP_DOWN + "hourglass/hourglass52_coco_256x256-4ec713ba_20200709.pth", sha256="4ec713ba",
    figure=_ap(72.6), input_hw=(256, 256), parameters=93_667_217, macs=28_620_161_024,
)  # fmt: skip
_CPM = replace(
    _W32, name="cpm-256x192", family="cpm", arch="cpm",
    url=_TOP_DOWN + "cpm/cpm_coco_256x192-aa4ba095_20200817.pth", sha256="aa4ba095",
    figure=_ap(62.3), parameters=31_304_166, macs=63_736_184_832,
)  # fmt: skip
_W32_MPII = replace(
    _W32, name="hrnet-w32-mpii",
    url=_TOP_DOWN + "hrnet/hrnet_w32_mpii_256x256-6c4f923f_20200812.pth", sha256="6c4f923f",
    data="MPII Human Pose", figure="PCKh@0.5 90.0 (MPII val)", skeleton=MPII_16, input_hw=(256, 256),
    parameters=28_536_080, macs=10_193_207_296,
)  # fmt: skip
_HOURGLASS_1 = Entry(
    name="hourglass-1-mpii", family="hourglass", arch="hourglass-1",
    url=_ANIBALI + "bearpaw_hg1-ce125879.pth", sha256="ce125879",
    licence="Apache-2.0", data="MPII Human Pose", figure="",
    skeleton=MPII_16, input_hw=(256, 256), mapping="centre", decode="quarter", sigma_px=1.0,
    parameters=3_586_960, macs=5_804_654_592,
)  # fmt: skip
_PRINCETON_2 = replace(
    _HOURGLASS_1, name="hourglass-2-princeton", arch="hourglass-2",
    url=_CNRIS + "original_2hg/checkpoint.pth.tar", sha256="",
    licence="BSD-3-Clause", figure="PCKh@0.5 88.5 (MPII val)", parameters=6_570_400, macs=8_334_606_336,
)  # fmt: skip
# RTMPose and RTMO as ONNX: archives of MMDeploy, whose graphs are taken as they are.
_RTM = _OPENMMLAB + "v1/projects/"
_SEVEN_SETS = "AI Challenger, COCO, CrowdPose, MPII, sub-JHMDB, Halpe and PoseTrack18"


def _rtmpose(name: str, file: str, ap: float, parameters: int, macs: int) -> Entry:
    return replace(
        _W32, name=name, family="rtmpose", arch="rtmpose", decode="simcc", mapping="centre", sigma_px=0.66,
        url=f"{_RTM}rtmposev1/onnx_sdk/{file}.zip", sha256="", data=_SEVEN_SETS,
        figure=f"AP {ap:.1f} (COCO val2017, boxes of a detector, flip test)", parameters=parameters, macs=macs,
    )  # fmt: skip


def _rtmpose_feet(name: str, file: str, pck: float, parameters: int, macs: int) -> Entry:
    figure = f"PCK@0.1 {pck:.1f} (Body8 val, 26 joints)"
    return replace(_rtmpose(name, file, 0.0, parameters, macs), skeleton=COCO_23, figure=figure)


def _rtmo(name: str, file: str, ap: float, parameters: int) -> Entry:
    return replace(
        _W32, name=name, family="rtmo", arch="rtmo", decode="network", mapping="centre", sigma_px=1.0,
        url=f"{_RTM}rtmo/onnx_sdk/{file}.zip", sha256="", data=_SEVEN_SETS, input_hw=(640, 640),
        figure=f"AP {ap:.1f} (COCO val2017, no detector)", parameters=parameters, macs=None,
    )  # fmt: skip


_ENTRIES = (
    _W32,
    replace(_W32, name="hrnet-w32-384x288",
            url=_V1 + "hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909.pth", sha256="ca5956af",
            figure=_ap(76.1), input_hw=(384, 288), sigma_px=3.0, macs=17_201_258_496),
    _W48,
    _W48_384,
    replace(_W32, name="hrnet-w32-dark-256x192", decode="dark",
            url=_TOP_DOWN + "hrnet/hrnet_w32_coco_256x192_dark-07f147eb_20200812.pth", sha256="07f147eb",
            figure=_ap(75.7)),
    replace(_W48_384, name="hrnet-w48-dark-384x288", decode="dark",
            url=_TOP_DOWN + "hrnet/hrnet_w48_coco_384x288_dark-e881a4b6_20210203.pth", sha256="e881a4b6",
            figure=_ap(77.2)),
    replace(_W32, name="hrnet-w32-udp-256x192", mapping="udp", decode="dark",
            url=_V1 + "hrnet-w32_udp-8xb64-210e_coco-256x192-73ede547_20220914.pth", sha256="73ede547",
            figure=_ap(76.2)),
    replace(_W48, name="hrnet-w48-udp-256x192", mapping="udp", decode="dark",
            url=_V1 + "hrnet-w48_udp-8xb32-210e_coco-256x192-3feaef8f_20220913.pth", sha256="3feaef8f",
            figure=_ap(76.8)),
    replace(_W48_384, name="hrnet-w48-udp-384x288", mapping="udp", decode="dark",
            url=_V1 + "hrnet-w48_udp-8xb32-210e_coco-384x288-70d7ab01_20220913.pth", sha256="70d7ab01",
            figure=_ap(77.3)),
    _HOURGLASS_52,
    replace(_HOURGLASS_52, name="hourglass52-384x384",
            url=_TOP_DOWN + "hourglass/hourglass52_coco_384x384-be91ba2b_20200812.pth", sha256="be91ba2b",
            figure=_ap(74.6), input_hw=(384, 384), sigma_px=3.0, macs=64_395_362_304),
    _CPM,
    replace(_CPM, name="cpm-384x288",
            url=_TOP_DOWN + "cpm/cpm_coco_384x288-80feb4bc_20200821.pth", sha256="80feb4bc",
            figure=_ap(65.0), input_hw=(384, 288), sigma_px=3.0, macs=143_406_415_872),
    _W32_MPII,
    replace(_W32_MPII, name="hrnet-w48-mpii", arch="hrnet-w48",
            url=_TOP_DOWN + "hrnet/hrnet_w48_mpii_256x256-92cab7bd_20200812.pth", sha256="92cab7bd",
            figure="PCKh@0.5 90.1 (MPII val)", parameters=63_595_696, macs=20_922_236_928),
    _HOURGLASS_1,
    replace(_HOURGLASS_1, name="hourglass-2-mpii", arch="hourglass-2",
            url=_ANIBALI + "bearpaw_hg2-15e342d9.pth", sha256="15e342d9", parameters=6_730_912, macs=8_988_917_760),
    replace(_HOURGLASS_1, name="hourglass-8-mpii", arch="hourglass-8",
            url=_ANIBALI + "bearpaw_hg8-90e5d470.pth", sha256="90e5d470", parameters=25_594_624, macs=28_094_496_768),
    _PRINCETON_2,
    replace(_PRINCETON_2, name="hourglass-8-princeton", arch="hourglass-8",
            url=_CNRIS + "original_8hg/checkpoint.pth.tar",
            figure="PCKh@0.5 90.1 (MPII val)", parameters=25_434_112, macs=27_440_185_344),
    replace(_rtmpose("rtmpose-t-256x192", "rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504",
                     65.9, 3_340_000, 360_000_000),
            sha256="937003a70832d9cc34ea16927f504792f3133e92dda1b9c626236bbbe9e805cb", file_bytes=12_547_710),
    replace(_rtmpose("rtmpose-s-256x192", "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504",
                     69.7, 5_470_000, 680_000_000),
            graph_sha256="9aeb635b83f86aea45cf45d85798f7eba1a162de8e0d721c44e54fe5eebaf47d"),
    replace(_rtmpose("rtmpose-m-256x192", "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504",
                     74.9, 13_590_000, 1_930_000_000),
            graph_sha256="5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c"),
    _rtmpose("rtmpose-l-256x192", "rtmpose-l_simcc-body7_pt-body7_420e-256x192-4dba18fc_20230504",
             76.7, 27_660_000, 4_160_000_000),
    replace(_rtmpose("rtmpose-l-384x288", "rtmpose-l_simcc-body7_pt-body7_420e-384x288-3f5a1437_20230504",
                     78.3, 27_790_000, 9_350_000_000), input_hw=(384, 288)),
    _rtmpose_feet("rtmpose-s-feet-256x192", "rtmpose-s_simcc-body7_pt-body7-halpe26_700e-256x192-7f134165_20230605",
                  93.0, 5_700_000, 700_000_000),
    replace(_rtmpose_feet("rtmpose-m-feet-256x192", "rtmpose-m_simcc-body7_pt-body7-halpe26_700e-256x192-4d3e73dd_20230605",
                          94.8, 13_930_000, 1_950_000_000),
            sha256="55b81170e236040b59fc792ad0a8315301ac4c079a3bdb1095d838aad3088d18", file_bytes=52_089_522),
    replace(_rtmo("rtmo-s-640x640", "rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211", 68.6, 9_900_000),
            sha256="3da7ad88b209f9da8be87ba5c325610639af04de3b5c8a96649b98cd9e2848a2", file_bytes=36_442_532),
    _rtmo("rtmo-m-640x640", "rtmo-m_16xb16-600e_body7-640x640-39e78cc4_20231211", 72.6, 22_600_000),
    _rtmo("rtmo-l-640x640", "rtmo-l_16xb16-600e_body7-640x640-b37118ce_20231211", 74.8, 44_800_000),
    Entry(
        name="openpose-coco", family="openpose", arch="openpose",
        url=_HUGGING_FACE + "Annotators/resolve/main/body_pose_model.pth",
        mirrors=(
            _HUGGING_FACE + "ControlNet/resolve/main/annotator/ckpts/body_pose_model.pth",
            "https://huggingface.co/ckpt/ControlNet/resolve/main/body_pose_model.pth",
        ),
        sha256="25a948c16078b0f08e236bda51a385d855ef4c153598947c28c0d47ed94bb746",
        licence="CMU: academic and non-profit, non-commercial research use only",
        data="COCO train2014", figure="AP 61.8 (COCO test-dev, 2017 paper)",
        skeleton=OPENPOSE_18, input_hw=(368, 368), mapping="centre", decode="quarter", sigma_px=7 / 8,
        parameters=52_311_446, macs=135_934_006_784,
    ),
)  # fmt: skip

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def entry(name: str) -> Entry:
    """The entry called *name*; ModelError, with the known names, when there is none."""
    if name not in CATALOGUE:
        raise ModelError(f"{name}: not in the catalogue of published weights. There are: {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
