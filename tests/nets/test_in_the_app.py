"""Every family runs in the app's single-person pipeline, whatever its joints and maps are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import published_layouts as published
import pytest
import torch
from test_deploy_parity import NETS, deploy_for
from torch_side import network, numbers

from poseapp.convert.export import write_model
from poseapp.core.types import Frame
from poseapp.engine.load import load_engine
from poseapp.engine.store import list_models
from poseapp.nets.openpose import OpenPose
from poseapp.pipeline.single import OnePerson


@pytest.mark.parametrize("name", NETS)
def test_each_family_runs_from_the_store(name: str, repo_root: Path, tmp_path: Path) -> None:
    deploy, spec = deploy_for(name)
    write_model(deploy, spec, "# card\n", tmp_path / "net")
    (stored,) = list_models(tmp_path)
    assert stored.spec is not None
    image = cv2.imread(str(repo_root / "assets" / "sample.jpg"))
    assert image is not None
    engine = load_engine(stored.folder)
    try:
        result = OnePerson(engine).estimate(Frame(np.ascontiguousarray(image, dtype=np.uint8), 0, 0.0), heatmaps=True)
    finally:
        engine.close()
    assert result.poses.skeleton is spec.skeleton
    assert result.poses.xy.shape[1:] == (spec.skeleton.k, 2)
    assert result.heatmaps[0].values.shape == (spec.skeleton.k, *spec.heatmap_hw)  # no background, no fields
    # What the overlay draws lies where the crop was: the outermost cells on the outermost pixels.
    assert result.boxes is not None
    box_w, box_h = result.boxes[0, 2:]
    (input_h, input_w), (_, cells_w) = spec.input_hw, spec.heatmap_hw
    px_per_input_px = max(box_w, box_h * input_w / input_h) / input_w
    assert result.heatmaps[0].to_frame[0, 0] * (cells_w - 1) == pytest.approx(px_per_input_px * (input_w - 1), rel=1e-3)


def test_the_port_that_cuts_confidence_at_zero_differs_in_nothing_else() -> None:
    tape = published.Tape(2)
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.no_grad():
        fields, heat = published.openpose(tape, image, 2, "caffe")[-1]
    from poseapp.convert.checkpoints import ARCHS, load

    weights = network(load(numbers(tape.state), ARCHS["openpose"], "file")).state_dict()
    port = OpenPose(2, relu_last=True).eval()
    port.load_state_dict(weights)
    with torch.no_grad():
        found = port(image)[-1]
    assert float(heat.min()) < -0.01
    torch.testing.assert_close(found[:, :19], heat.relu(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found[:, 19:], fields, rtol=0, atol=1e-5)
