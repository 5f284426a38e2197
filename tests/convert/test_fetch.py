"""Fetching from a local server, importing on the command line, and what the list shows."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import published_layouts as published
import pytest
import ready_graphs as ready
import torch
from typer.testing import CliRunner

from poseapp.cli.models import models_app
from poseapp.convert.catalogue import CATALOGUE, Entry
from poseapp.convert.checkpoints import ARCHS, Loaded
from poseapp.convert.download import download
from poseapp.convert.fill import count_macs
from poseapp.convert.importing import ImportOptions, fetch, import_file
from poseapp.convert.ready.describe import KINDS
from poseapp.convert.ready.network import read_network
from poseapp.convert.ready.package import Package
from poseapp.core.errors import CheckpointError, ModelError
from poseapp.core.skeleton import COCO_17, COCO_23
from poseapp.core.spec import ModelSpec
from poseapp.engine.load import load_engine
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; the first ``cuts`` answers stop in the middle. ``asked`` holds each request's Range."""

    content = b""
    cuts = 0
    ranges = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        requested = self.headers.get("Range") if server.ranges else None
        server.requested.append(self.headers.get("Range"))
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
        size = len(server.content)
        if start >= size > 0 and requested:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if requested else 200)
        if requested:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cuts > 0:
            server.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the layout of a published one-stack hourglass, with random values."""
    tape = published.Tape(4, gain=0.5)
    with torch.no_grad():
        published.bearpaw(tape, torch.zeros(1, 3, 64, 64), 1, 16)
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in tape.state.items()}, "epoch": 1}, path)
    return path


def entry_for(server: Server, sha256: str | None = None) -> Entry:
    digest = hashlib.sha256(server.content).hexdigest()
    return dataclasses.replace(
        CATALOGUE["hourglass-1-mpii"], name="test", url=server.url, input_hw=(64, 64), sha256=digest if sha256 is None else sha256
    )


def test_a_good_file_becomes_a_model_that_runs(server: Server, weights: Path, tmp_path: Path) -> None:
    server.content = weights.read_bytes()
    progress: list[tuple[int, int | None]] = []
    spec = fetch(entry_for(server), tmp_path / "engines", tmp_path / "cache", lambda done, total: progress.append((done, total)))
    size = len(server.content)
    assert progress[-1] == (size, size)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert spec == ModelSpec.read(tmp_path / "engines" / "test" / "model.json")
    assert (spec.family, spec.skeleton.name, spec.mapping, spec.sigma_px) == ("hourglass", "mpii-16", "centre", 1.0)
    assert spec.source.url == server.url
    assert list((tmp_path / "cache").iterdir()) == []  # nothing is left twice on the disk
    engine = load_engine(tmp_path / "engines" / "test")
    try:
        assert engine.infer(np.zeros((2, 64, 64, 3), np.uint8)).keypoints.shape == (2, 16, 3)
    finally:
        engine.close()
    card = (tmp_path / "engines" / "test" / "README.md").read_text()
    assert hashlib.sha256(server.content).hexdigest() in card
    assert "Apache-2.0" in card


@pytest.mark.parametrize("digits", [8, 64])
def test_a_wrong_hash_is_refused_and_the_file_deleted(server: Server, digits: int, tmp_path: Path) -> None:
    server.content = b"not what was published"
    with pytest.raises(ModelError, match="expected SHA-256 0000"):
        fetch(entry_for(server, "0" * digits), tmp_path / "engines", tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []  # not even an empty folder


def test_a_cut_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.content = bytes(range(256)) * 4096
    server.cuts = 2
    path = download(entry_for(server), tmp_path)
    assert path.read_bytes() == server.content
    half = len(server.content) // 2
    assert server.requested == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_transfer_that_is_cut_again_and_again_goes_on_at_the_next_call(server: Server, tmp_path: Path) -> None:
    server.content = bytes(range(256)) * 4096
    server.cuts = 3
    with pytest.raises(ModelError, match=r"cut off after 0\.9 MB\. Run the same command again"):
        download(entry_for(server), tmp_path)
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    done = next(tmp_path.iterdir()).stat().st_size
    assert download(entry_for(server), tmp_path).read_bytes() == server.content
    assert server.requested[-1] == f"bytes={done}-"


def test_a_server_that_cannot_resume_starts_over(server: Server, tmp_path: Path) -> None:
    server.content = bytes(range(256)) * 4096
    server.cuts, server.ranges = 1, False
    assert download(entry_for(server), tmp_path).read_bytes() == server.content


def test_a_whole_part_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.content = b"x" * 1000
    (tmp_path / "test-weights.pth.part").write_bytes(server.content)
    assert download(entry_for(server), tmp_path).read_bytes() == server.content
    (tmp_path / "test-weights.pth").unlink()
    (tmp_path / "test-weights.pth.part").write_bytes(b"y" * 2000)  # longer than the file: of another one
    assert download(entry_for(server), tmp_path).read_bytes() == server.content


@pytest.mark.parametrize("status", [404, 503])
def test_an_answer_other_than_ok_is_told(server: Server, status: int, tmp_path: Path) -> None:
    server.status = status
    with pytest.raises(ModelError, match=f"the server says {status}") as error:
        download(entry_for(server), tmp_path)
    assert "poseapp models import FILE --arch hourglass-1" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_offline_says_what_was_not_reached_and_what_to_do(server: Server, tmp_path: Path) -> None:
    entry = entry_for(server)
    server.server_close()
    closed = dataclasses.replace(entry, url="http://127.0.0.1:9/weights.pth")
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9/weights\.pth: cannot be reached") as error:
        download(closed, tmp_path)
    assert "poseapp models import FILE --arch hourglass-1 --name test" in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_leave_no_model(server: Server, weights: Path, tmp_path: Path) -> None:
    server.content = weights.read_bytes()
    with pytest.raises(CheckpointError, match="It fits --arch hourglass-1"):
        fetch(dataclasses.replace(entry_for(server), arch="hourglass-2"), tmp_path / "engines", tmp_path / "cache")
    assert not (tmp_path / "engines").exists()


# ---- the catalogue -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_names_files_that_can_be_checked(entry: Entry) -> None:
    assert CATALOGUE[entry.name] is entry
    assert all(url.startswith("https://") for url in entry.urls)
    assert len(entry.sha256) in (0, 8, 64)
    assert len(entry.sha256) != 8 or entry.sha256 in entry.url  # the first digits are published in the name
    assert len(entry.graph_sha256) in (0, 64)
    assert not entry.mirrors or len(entry.sha256) == 64, "a mirror is trusted by the whole hash alone"


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE.values() if entry.arch in KINDS], ids=lambda entry: entry.name)
def test_the_catalogue_is_true_to_the_graphs_that_are_ready(entry: Entry) -> None:
    kind = KINDS[entry.family]
    assert entry.arch == entry.family
    assert entry.decode == kind.decode
    assert entry.skeleton in (COCO_17, COCO_23)
    assert ("halpe26" in entry.url) == (entry.skeleton is COCO_23)
    assert f"{entry.input_hw[0]}x{entry.input_hw[1]}" in entry.url
    assert entry.licence == "Apache-2.0"
    size = re.search(r"/rtmpose-([tsml])_", entry.url)
    if size is not None:  # what is published of the parameters is what our network of the same layout has
        joints = 26 if entry.skeleton is COCO_23 else 17
        network = read_network(Package(graph=ready.rtmpose_graph(size[1], joints, entry.input_hw)), entry.name)
        assert network.parameters == pytest.approx(entry.parameters, rel=0.05 if joints == 26 else 0.005)
        assert network.macs == pytest.approx(entry.macs, rel=0.06)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.arch in ARCHS])
def test_the_catalogue_is_true_to_the_networks(name: str) -> None:
    entry = CATALOGUE[name]
    arch = ARCHS[entry.arch]
    assert (entry.name, entry.family) == (name, arch.family)
    assert all(side % arch.multiple == 0 for side in entry.input_hw)
    layout = next(one for one in arch.layouts if _is_of(one.name, entry))
    assert entry.skeleton in layout.skeletons
    state = {f"backbone.cpm_stages.{i}.model.0.conv.weight": np.zeros(1) for i in range(5)}
    network = layout.network(state if entry.arch == "cpm" else {}, entry.skeleton.k)
    weights = {key: np.broadcast_to(np.float32(0), shape) for key, shape in network.parameters(entry.skeleton.k).items()}
    loaded = Loaded(weights=weights, network=network, arch=arch, layout=layout, joints=entry.skeleton.k, extra=())
    assert loaded.parameters == entry.parameters
    assert count_macs(loaded, entry.input_hw) == entry.macs


def _is_of(layout: str, entry: Entry) -> bool:
    if "anibali" in entry.url:
        return layout == "bearpaw"
    return "MMPose" in layout if "openmmlab" in entry.url else layout in ("princeton-vl", "Caffe names")


# ---- the command line --------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(models_app, [str(a) for a in arguments])


def test_import_on_the_command_line(weights: Path, tmp_path: Path) -> None:
    result = run(
        "import", weights, "--arch", "hourglass-1", "--name", "mine", "--engines-dir", tmp_path, "--input", "64x128", "--fp16"
    )
    assert result.exit_code == 0, result.exception
    spec = ModelSpec.read(tmp_path / "mine" / "model.json")
    assert spec.input_hw == (64, 128)
    assert spec.source.data == "not told by the file"
    assert (tmp_path / "mine" / "model.fp16.onnx").exists()
    listed = run("list", "--engines-dir", tmp_path)
    row = next(line for line in listed.output.splitlines() if line.startswith("mine "))
    assert all(text in row for text in ("hourglass", "64×128", "mpii-16", "3.6 M", "MB", "ready"))
    assert any(line.startswith("hrnet-w48-256x192 ") and "to fetch" in line for line in listed.output.splitlines())
    assert run("--engines-dir", tmp_path).output == listed.output

    again = run("import", weights, "--arch", "hourglass-1", "--name", "mine", "--engines-dir", tmp_path)
    assert isinstance(again.exception, ModelError)
    assert "--replace" in str(again.exception)


def test_the_flip_test_is_an_option(weights: Path, tmp_path: Path) -> None:
    wanted = ImportOptions(input_hw=(64, 64))
    plain = import_file(weights, "hourglass-1", "plain", tmp_path, wanted).spec
    both = import_file(weights, "hourglass-1", "both", tmp_path, dataclasses.replace(wanted, flip=True)).spec
    assert both.macs == 2 * plain.macs
    assert both.weights_sha256 != plain.weights_sha256


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--arch", "resnet"], "There are: hrnet-w32"),
        (["--arch", "hourglass-1", "--input", "64"], "--input"),
        (["--arch", "hourglass-1", "--input", "64x70"], "multiples of 64"),
        (["--arch", "hourglass-1", "--mapping", "none"], "udp, stride, centre"),
        (["--arch", "hourglass-1", "--name", "../x"], "--name"),
        (["--arch", "hourglass-1", "--skeleton", "coco-17"], "mpii-16"),
    ],
)
def test_bad_options_are_one_line(arguments: list[str], told: str, weights: Path, tmp_path: Path) -> None:
    result = run("import", weights, *arguments, "--engines-dir", tmp_path / "engines")
    assert isinstance(result.exception, (CheckpointError, ModelError))
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "engines").exists()


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    result = run("fetch", "nothing", "--engines-dir", tmp_path)
    assert isinstance(result.exception, ModelError)
    assert "hrnet-w32-256x192" in str(result.exception)


def test_a_store_that_cannot_be_written(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file, not a folder")
    result = run("import", weights, "--arch", "hourglass-1", "--engines-dir", tmp_path / "engines")
    assert isinstance(result.exception, ModelError)
    assert "cannot be written" in str(result.exception)


def test_an_import_that_fails_at_its_end_leaves_no_folder(weights: Path, tmp_path: Path) -> None:
    content = torch.load(weights)
    for value in content["state_dict"].values():
        if value.is_floating_point():
            value.fill_(float("nan"))
    torch.save(content, tmp_path / "nan.pth")
    with pytest.raises((CheckpointError, ModelError)):
        import_file(tmp_path / "nan.pth", "hourglass-1", "mine", tmp_path / "new" / "engines", ImportOptions(input_hw=(64, 64)))
    assert not (tmp_path / "new").exists()


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from poseapp.cli.main import entry
entry()
"""


def without_torch(*arguments: str | Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr


def both_files_run(folder: Path) -> None:
    """The FP16 file finds the joints of model.onnx but for rounding; peaks of random maps are near each other."""
    spec = ModelSpec.read(folder / "model.json")
    engines = [OrtEngine(ModelFolder(folder).graph(spec, precision), spec) for precision in ("fp32", "fp16")]
    crops = np.random.default_rng(1).integers(0, 256, (2, *spec.input_hw, 3), np.uint8)
    full, half = (engine.infer(crops, True) for engine in engines)
    assert full.keypoints.shape == (2, spec.skeleton.k, 3)
    assert full.heatmaps is not None
    assert half.heatmaps is not None
    scale = np.abs(full.heatmaps).max()
    np.testing.assert_allclose(half.heatmaps, full.heatmaps, atol=0.02 * scale)
    assert np.abs(half.heatmaps - full.heatmaps).max() > 1e-6 * scale, "it is rounded"


def test_an_import_needs_no_torch(weights: Path, tmp_path: Path) -> None:
    size = ("--input", "64x64", "--fp16", "--flip")
    without_torch("models", "import", weights, "--arch", "hourglass-1", "--engines-dir", tmp_path, *size)
    both_files_run(tmp_path / "weights")


def test_an_import_of_a_graph_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_bytes(ready.rtmpose_archive(input_hw=(128, 96)))
    without_torch("models", "import", tmp_path / "net.zip", "--engines-dir", tmp_path, "--fp16")
    both_files_run(tmp_path / "net")


def test_fetching_a_graph_takes_the_joints_of_the_catalogue(server: Server, tmp_path: Path) -> None:
    server.content = ready.rtmpose_archive(joints=26, input_hw=(128, 96))
    entry = dataclasses.replace(CATALOGUE["rtmpose-m-feet-256x192"], url=f"{server.url}.zip", sha256="")
    spec = fetch(entry, tmp_path / "engines", tmp_path / "cache", fp16=True)
    assert (spec.name, spec.skeleton, spec.source.data, spec.source.url) == (entry.name, COCO_23, entry.data, entry.url)
    assert not list((tmp_path / "cache").glob("*.zip"))


def test_the_hash_of_a_graph_is_checked_and_another_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    graph = ready.rtmpose_graph(input_hw=(128, 96))
    right = hashlib.sha256(graph).hexdigest()
    entry = dataclasses.replace(CATALOGUE["rtmpose-t-256x192"], url=f"{server.url}.zip", sha256="", graph_sha256=right)
    server.content = ready.archive(ready.rtmpose_graph(input_hw=(128, 96), seed=1), {})
    with pytest.raises(CheckpointError, match=f"expected a graph with SHA-256 {right[:16]}"):
        fetch(entry, tmp_path / "engines", tmp_path / "cache")
    server.content = ready.archive(graph, {})
    assert fetch(entry, tmp_path / "engines", tmp_path / "cache").name == entry.name


def test_a_broken_model_is_listed_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.json").write_text(json.dumps({"name": "bad"}))
    listed = run("list", "--engines-dir", tmp_path)
    assert listed.exit_code == 0
    row, why = (line for line in listed.output.splitlines() if line.startswith("bad "))
    assert row.split()[-1] == "broken"
    assert why.startswith(f"bad is broken: {tmp_path / 'bad' / 'model.json'}: ")
