"""RTMPose and RTMO from the archives that MMDeploy publishes: what comes out is what the published graph says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import ready_graphs as ready
from numpy.typing import NDArray
from typer.testing import CliRunner

from poseapp.cli.models import models_app
from poseapp.convert.importing import ImportOptions, import_file
from poseapp.convert.ready.wrap import PEOPLE
from poseapp.core.errors import CheckpointError
from poseapp.core.skeleton import COCO_17, COCO_23
from poseapp.core.spec import ModelSpec
from poseapp.engine import openvino
from poseapp.engine.base import BaseEngine, Output
from poseapp.engine.comparator import difference_px, sample_crops
from poseapp.engine.load import load_engine
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.openvino import OpenVinoEngine
from poseapp.engine.torch.engine import TorchEngine

HW, RTMO_HW = (256, 192), (64, 96)
Array = NDArray[Any]


@pytest.fixture(scope="module")
def rtmpose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "rtmpose-t.zip"
    path.write_bytes(ready.rtmpose_archive())
    return path


@pytest.fixture(scope="module")
def rtmo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "rtmo-s.zip"
    path.write_bytes(ready.rtmo_archive())
    return path


def published(graph: bytes, pictures: Array) -> list[Array]:
    """What the published graph itself gives for *pictures*, normalised N×3×H×W."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return list(session.run(None, {"input": pictures.astype(np.float32)}))


def by_mmpose(graph: bytes, crops: Array, mean: Any = ready.MEAN, std: Any = ready.STD, rgb: bool = True) -> Array:
    """Joints (N, K, 3) as MMPose's top-down pipeline and SimCC's decoding make them of uint8 BGR *crops*."""
    pictures = crops[..., ::-1] if rgb else crops
    x, y = published(graph, ((pictures - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2))
    score = np.minimum(x.max(axis=2), y.max(axis=2)).clip(0, 1)
    return np.stack([x.argmax(axis=2) / 2, y.argmax(axis=2) / 2, score], axis=2)


def run(folder: Path, crops: Array) -> tuple[ModelSpec, Output]:
    engine = load_engine(folder, "cpu")
    output = engine.infer(crops, heatmaps=True)
    engine.close()
    return engine.spec, output


def test_an_rtmpose_finds_the_joints_that_mmpose_finds(rtmpose: Path, tmp_path: Path) -> None:
    made = import_file(rtmpose, None, "mine", tmp_path)
    crops = sample_crops(HW)[:5]
    spec, output = run(tmp_path / "mine", crops)
    want = by_mmpose(ready.rtmpose_graph(), crops)
    np.testing.assert_allclose(output.keypoints, want, rtol=0, atol=1e-4)
    assert len({tuple(joints[:, 0]) for joints in want}) == 5, "joints that depend on the picture, or this tests nothing"
    assert made.arch == spec.family == "rtmpose"
    assert (spec.skeleton, spec.input_hw, spec.decode) == (COCO_17, HW, "simcc")
    assert 3.3e6 < spec.parameters < 3.4e6  # 3.34 M are published
    assert 0.33e9 < spec.macs < 0.37e9  # 0.36 G
    assert spec.sigma_px == pytest.approx((4.9 + 5.66) / 2 / 8)
    assert spec.source.licence == "Apache-2.0"


def test_the_heatmaps_of_simcc_are_the_products_of_its_lines_as_high_as_the_scores(rtmpose: Path, tmp_path: Path) -> None:
    import_file(rtmpose, None, "mine", tmp_path)
    crops = sample_crops(HW)[:2]
    spec, output = run(tmp_path / "mine", crops)
    assert output.heatmaps is not None
    pictures = ((crops[..., ::-1] - np.array(ready.MEAN)) / np.array(ready.STD)).transpose(0, 3, 1, 2)
    x, y = published(ready.rtmpose_graph(), pictures)
    lines = [line.reshape(2, 17, -1, 8).max(axis=3).clip(0) for line in (x, y)]
    higher = np.maximum(x.max(axis=2), y.max(axis=2))[..., None, None]
    np.testing.assert_allclose(output.heatmaps, lines[1][..., None] * lines[0][:, :, None] / higher, atol=1e-4)
    np.testing.assert_allclose(output.heatmaps.max(axis=(2, 3)).clip(0, 1), output.keypoints[..., 2], atol=1e-5)
    # Each joint lies in the cell that is brightest.
    best = output.heatmaps.reshape(2, 17, -1).argmax(axis=2)
    cell = np.stack([best % 48, best // 48], axis=2)
    np.testing.assert_array_equal(output.keypoints[..., :2] // spec.stride, cell)


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({"to_rgb": False}, {"rgb": False}),
        ({"mean": [0, 10, 20], "std": [50, 60, 70]}, {"mean": (0, 10, 20), "std": (50, 60, 70)}),
    ],
)
def test_pixels_are_as_the_pipeline_says(changed: dict[str, Any], how: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "net.zip"
    path.write_bytes(ready.rtmpose_archive(**changed))
    import_file(path, "rtmpose", "mine", tmp_path)
    crops = sample_crops(HW)[:2]
    _, output = run(tmp_path / "mine", crops)
    want = by_mmpose(ready.rtmpose_graph(), crops, **how)
    np.testing.assert_allclose(output.keypoints, want, rtol=0, atol=1e-4)
    assert np.abs(want - by_mmpose(ready.rtmpose_graph(), crops)).max() > 1


def test_the_graph_alone_is_taken_with_the_pixels_of_its_family(tmp_path: Path) -> None:
    path = tmp_path / "end2end.onnx"
    path.write_bytes(ready.rtmpose_graph())
    import_file(path, None, "mine", tmp_path)
    crops = sample_crops(HW)[:2]
    np.testing.assert_allclose(run(tmp_path / "mine", crops)[1].keypoints, by_mmpose(ready.rtmpose_graph(), crops), atol=1e-4)


@pytest.mark.parametrize(
    ("joints", "name", "skeleton", "places"),
    [
        (26, None, COCO_23, [*range(17), 20, 22, 24, 21, 23, 25]),
        (26, "coco-17", COCO_17, range(17)),
        (133, None, COCO_23, range(23)),
    ],
)
def test_of_more_joints_body_and_feet_are_kept(joints: int, name: str | None, skeleton: Any, places: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.zip"
    path.write_bytes(ready.rtmpose_archive(joints=joints, input_hw=(128, 96)))
    spec = import_file(path, None, "mine", tmp_path, ImportOptions(skeleton=name)).spec
    assert spec.skeleton == skeleton
    crops = sample_crops((128, 96))[:2]
    _, output = run(tmp_path / "mine", crops)
    want = by_mmpose(ready.rtmpose_graph(joints=joints, input_hw=(128, 96)), crops)[:, list(places)]
    np.testing.assert_allclose(output.keypoints, want, rtol=0, atol=1e-4)


def test_halpe_lists_its_feet_toe_by_toe() -> None:
    # MMPose, configs/_base_/datasets/halpe26.py: 20 left big toe, 21 right big toe, 22 and 23 small toes, 24 and 25 heels.
    feet = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
    assert COCO_23.keypoints[17:] == feet


def test_an_rtmo_gives_everybody_surest_first(rtmo: Path, tmp_path: Path) -> None:
    spec = import_file(rtmo, None, "mine", tmp_path).spec
    assert (spec.family, spec.decode, spec.input_hw, spec.skeleton) == ("rtmo", "network", RTMO_HW, COCO_17)
    crops = np.full((2, *RTMO_HW, 3), 60, np.uint8)
    crops[0, :32, 64:] = (200, 210, 190)
    crops[0, 32:, :32] = 150
    crops[1, 32:, 32:64] = 180
    _, output = run(tmp_path / "mine", crops)
    assert output.people is not None
    assert output.heatmaps is None
    assert output.people.shape == (2, PEOPLE, 17, 3)
    # BGR as it is, neither scaled nor shifted.
    dets, joints = published(ready.rtmo_graph(), crops.transpose(0, 3, 1, 2))
    for n, count in enumerate((2, 1)):
        order = np.argsort(-dets[n, :, 4])[:count]
        assert (dets[n, order, 4] > 0.5).all()
        np.testing.assert_allclose(output.people[n, :count, :, :2], joints[n, order, :, :2], atol=1e-4)
        score = joints[n, order, :, 2] * dets[n, order, 4, None]
        np.testing.assert_allclose(output.people[n, :count, :, 2], score, atol=1e-5)
        assert not output.people[n, count:, :, 2].any()
    np.testing.assert_array_equal(output.keypoints, output.people[:, 0])


def test_where_an_rtmo_finds_nobody_no_joint_has_a_score(rtmo: Path, tmp_path: Path) -> None:
    import_file(rtmo, None, "mine", tmp_path)
    _, output = run(tmp_path / "mine", np.zeros((1, *RTMO_HW, 3), np.uint8))
    assert output.people is not None
    assert not output.people[..., 2].any()
    assert np.isfinite(output.people).all()


def test_backends_agree(rtmpose: Path, rtmo: Path, tmp_path: Path) -> None:
    if openvino.unavailable():
        pytest.skip(openvino.unavailable())
    for path, name, hw in ((rtmpose, "pose", HW), (rtmo, "people", RTMO_HW)):
        spec = import_file(path, None, name, tmp_path).spec
        graph = ModelFolder(tmp_path / name).graph(spec)
        crops = np.random.default_rng(3).integers(90, 220, (3, *hw, 3), np.uint8)
        engines: list[BaseEngine] = [OrtEngine(graph, spec), OpenVinoEngine(graph, spec)]
        one, other = (engine.infer(crops, True) for engine in engines)
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
        if one.people is not None and other.people is not None:
            np.testing.assert_allclose(one.people, other.people, atol=1e-3)
        for engine in engines:
            engine.close()


def test_pytorch_runs_an_rtmpose(rtmpose: Path, tmp_path: Path) -> None:
    spec = import_file(rtmpose, None, "pose", tmp_path).spec
    ort, engine = OrtEngine(tmp_path / "pose" / "model.onnx", spec), TorchEngine(tmp_path / "pose", spec, "fp32", "cpu")
    crops = sample_crops(HW)[:3]
    np.testing.assert_allclose(engine.infer(crops).keypoints, ort.infer(crops).keypoints, atol=1e-3)
    engine.close()


def test_fp16_is_of_the_convolutions_alone(rtmpose: Path, rtmo: Path, tmp_path: Path) -> None:
    for path, name in ((rtmpose, "pose"), (rtmo, "people")):
        spec = import_file(path, None, name, tmp_path, ImportOptions(fp16=True)).spec
        assert set(spec.variants) == {"fp16"}
        half = onnx.load(tmp_path / name / "model.fp16.onnx")
        kinds = {w.name: w.data_type for w in half.graph.initializer}
        convs = [node for node in half.graph.node if node.op_type == "Conv"]
        assert convs
        assert all(kinds[node.input[1]] == onnx.TensorProto.FLOAT16 for node in convs)
        others = [node for node in half.graph.node if node.op_type in ("MatMul", "Gemm", "GatherElements")]
        assert not any(kinds.get(name) == onnx.TensorProto.FLOAT16 for node in others for name in node.input)
    spec = ModelFolder(tmp_path / "pose").spec()
    full, half_engine = (OrtEngine(tmp_path / "pose" / f"model{part}.onnx", spec) for part in ("", ".fp16"))
    assert difference_px(half_engine, full, sample_crops(HW)[:8]) < 25  # peaks of random lines are near each other


def test_the_card_says_what_it_is(rtmpose: Path, tmp_path: Path) -> None:
    import_file(rtmpose, None, "mine", tmp_path, ImportOptions(data="seven sets", figure="AP 65.9"))
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    for said in (
        "RTMPose, configuration rtmpose-t_8xb256-420e_body8-256x192, published ready to run, written by MMDeploy 1.2.0",
        "RGB, mean 123.675 116.28 103.53, standard deviation 58.395 57.12 57.375, black outside the picture",
        "SimCC", "seven sets", "AP 65.9", "Apache-2.0", "256 × 192 px",
    ):  # fmt: skip
        assert said in card


def spoiled(graph: bytes, change: Any) -> bytes:
    model = onnx.load_model_from_string(graph)
    change(model)
    return bytes(model.SerializeToString())


def outside(model: Any) -> None:
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")


def foreign(model: Any) -> None:
    model.graph.node[3].domain = "mmdeploy"


def newer(model: Any) -> None:
    model.opset_import[0].version = 18


def renamed(model: Any) -> None:
    model.graph.output[0].name = "heatmaps"


def single(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def doubled(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def cut(model: Any) -> None:
    del model.graph.initializer[5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (outside, "all weights in the file itself"),
        (foreign, r"ONNX's own operators, got others \(mmdeploy\)"),
        (newer, "operators of version 11 to 17, got 18"),
        (renamed, "outputs simcc_x and simcc_y"),
        (single, "any number of pictures at once, got one for 1"),
        (doubled, "FP32"),
        (cut, "ONNX Runtime cannot run it|expected a graph with one input"),
    ],
)
def test_other_graphs_are_refused_in_one_line(change: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(spoiled(ready.rtmpose_graph(), change))
    with pytest.raises(CheckpointError, match=said) as caught:
        import_file(path, None, "mine", tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists(), "nothing is left"


def test_weights_elsewhere_are_refused_in_branches_too(tmp_path: Path) -> None:
    def branch(model: Any) -> None:
        inner = onnx.helper.make_graph([], "inner", [], [])
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
        outside_of = onnx.TensorProto()
        outside_of.CopyFrom(tensor)
        outside_of.ClearField("float_data")
        outside_of.data_location = onnx.TensorProto.EXTERNAL
        outside_of.external_data.add(key="location", value="/etc/passwd")
        inner.initializer.append(outside_of)
        node = onnx.helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
        model.graph.node.insert(0, node)

    path = tmp_path / "net.onnx"
    path.write_bytes(spoiled(ready.rtmpose_graph(), branch))
    with pytest.raises(CheckpointError, match="all weights in the file itself"):
        import_file(path, None, "mine", tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an ONNX graph"),
        (b"no graph", "not an ONNX graph"),
        (ready.archive(b"no graph", {}), "not an ONNX graph"),
        (ready.archive(b"", {"pipeline.json": "[]"}), "pipeline.json: expected an object"),
        (ready.archive(b"", {"pipeline.json": ready.pipeline_json(std=[1, 0, 1])}), "three positive numbers"),
        (ready.archive(b"", {"pipeline.json": ready.pipeline_json(mean=[1, 2])}), "mean: expected 3 numbers"),
        (ready.archive(b"", {"detail.json": "{"}), "detail.json: not valid JSON"),
    ],
)
def test_damaged_archives_are_refused_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / ("net.zip" if content[:2] == b"PK" else "net.onnx")
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        import_file(path, None, "mine", tmp_path / "store")
    assert "\n" not in str(caught.value)


def test_networks_of_other_joints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "hand.onnx"
    path.write_bytes(ready.rtmpose_graph(joints=21, input_hw=(128, 96)))
    with pytest.raises(CheckpointError, match="joints of a person's body"):
        import_file(path, None, "mine", tmp_path / "store")
    files = {"detail.json": ready.detail_json("rtmpose-m_8xb64-210e_ap10k-256x256")}
    path.write_bytes(ready.archive(ready.rtmpose_graph(input_hw=(128, 96)), files))
    with pytest.raises(CheckpointError, match="17 of rtmpose-m_8xb64-210e_ap10k"):
        import_file(path, None, "mine", tmp_path / "store")


def test_what_cannot_be_changed_is_said(rtmpose: Path, tmp_path: Path) -> None:
    for wrong, said in (
        (ImportOptions(flip=True), "Leave out --flip"),
        (ImportOptions(input_hw=(64, 64), sigma_px=2.0), "Leave out --input, --sigma"),
        (ImportOptions(skeleton="mpii-16"), "Use coco-17"),
    ):
        with pytest.raises(CheckpointError, match=said):
            import_file(rtmpose, None, "mine", tmp_path, wrong)
    other = "got a graph of rtmpose"
    for arch, said in (("rtmo", other), ("hrnet-w32", other), ("rtm", "There are: .*rtmpose")):
        with pytest.raises(CheckpointError, match=said):
            import_file(rtmpose, arch, "mine", tmp_path)


def test_weights_need_the_name_of_their_network(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="Name it with --arch: hrnet-w32"):
        import_file(tmp_path / "a.pth", None, "mine", tmp_path)
    with pytest.raises(CheckpointError, match="not an ONNX graph"):
        import_file(tmp_path / "a.pth", "rtmpose", "mine", tmp_path)


def test_on_the_command_line_an_archive_needs_no_option(rtmpose: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(models_app, ["import", str(rtmpose), "--engines-dir", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "rtmpose, 256×192, coco-17, 3.3 M parameters, 343.7 M multiply-accumulates" in " ".join(said.output.split())
    assert ModelFolder(tmp_path / "rtmpose-t").spec().family == "rtmpose"


def test_a_graph_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    def damaged(model: Any) -> None:
        weight = model.graph.initializer[0]
        shape = list(weight.dims)
        weight.CopyFrom(onnx.numpy_helper.from_array(np.full(shape, np.nan, np.float32), weight.name))

    path = tmp_path / "net.onnx"
    path.write_bytes(spoiled(ready.rtmpose_graph(input_hw=(128, 96)), damaged))
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        import_file(path, None, "mine", tmp_path / "store")
