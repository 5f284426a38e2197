"""Weights that other people published, read into our networks by explicit key maps.

A *layout* is one published form of the weights of one network: which network the file holds, what the file calls each of
our parameters, how the pictures were normalised, and how the heatmaps were made. An *arch* is the name of a network on the
command line; it has one or more layouts, and the file decides which one is used. The weights then go into a graph without
weights that was made of our network beforehand: a layout names this template (convert/templates.py), convert/fill.py fills it.

==============  =======================================================================================
arch            reads
==============  =======================================================================================
hrnet-w32/w48   leoxiaobin/deep-high-resolution-net.pytorch; MMPose 0.x and 1.x
hourglass-N     princeton-vl/pytorch_stacked_hourglass; bearpaw/pytorch-pose, anibali/pytorch-stacked-hourglass
hourglass52     MMPose 0.x and 1.x
cpm             MMPose 0.x and 1.x; ports that keep the layer names of the authors' Caffe release
openpose        ports of CMU's COCO body model: Caffe layer names, alone or in blocks, or numbered layers
==============  =======================================================================================

To add another network's published weights, add a file with its key maps beside these, and name it in ARCHS. A network that is
new here also needs a template: name it in NETWORKS of convert/make_templates.py, and run that module, which needs torch.
"""

from __future__ import annotations

from poseapp.convert.checkpoints import cpm, fit, hourglass, hrnet, openpose
from poseapp.convert.checkpoints.fit import Loaded
from poseapp.convert.checkpoints.layout import Arch, State
from poseapp.convert.checkpoints.reader import read_content, read_state

__all__ = ["ARCHS", "Arch", "Loaded", "State", "fitting", "load", "read_content", "read_state"]

ARCHS: dict[str, Arch] = {arch.name: arch for arch in (*hrnet.ARCHS, *hourglass.ARCHS, *cpm.ARCHS, *openpose.ARCHS)}


def load(state: State, arch: Arch, where: str, need_head: bool = True) -> Loaded:
    """The weights *state* as those of a network of *arch*; *where* names the file in errors.

    Names in the file that the network does not use are left out and listed in ``Loaded.extra``. Without
    *need_head* a file may lack the last layer (a backbone to train on); that layer then starts at zero.
    Raises CheckpointError with the first names that are missing, unexpected or of another shape.
    """
    return fit.load(state, arch, where, need_head, ARCHS.values())


def fitting(state: State) -> list[str]:
    """Names of the archs that *state* fits."""
    return fit.fitting(state, ARCHS.values())
