"""How networks want their pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pixels:
    """How a network wants its pictures: channel order, and mean and standard deviation of pixels in 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False


# Mean and standard deviation of ImageNet's pictures, as torchvision, HRNet and MMPose use them.
IMAGENET_RGB = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# 0..1 as it is: princeton-vl/pytorch_stacked_hourglass.
UNIT_RGB = Pixels((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
# The mean of MPII's pictures is taken off, nothing is divided: bearpaw/pytorch-pose.
MPII_MEAN_RGB = Pixels((0.4404, 0.4440, 0.4327), (1.0, 1.0, 1.0))
# x / 256 − 0.5 in OpenCV's channel order: the Caffe releases of Wei et al. 2016 and Cao et al. 2017.
CAFFE_BGR = Pixels((128 / 255,) * 3, (256 / 255,) * 3, bgr=True)
