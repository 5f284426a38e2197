"""The command line: what it writes, what it says, and its exit status."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tiny_model
from fakes import wait_until

import poseapp
from poseapp.cli import display
from poseapp.cli.main import main
from poseapp.convert.catalogue import CATALOGUE
from poseapp.engine.backends import unavailable

FRAMES = 24


@pytest.fixture
def short_clip(demo_clip: Path, tmp_path: Path) -> Path:
    """The first pictures of the demo clip, copied without coding them again."""
    path = tmp_path / "short.mp4"
    with av.open(str(demo_clip)) as whole, av.open(str(path), "w") as short:
        stream = short.add_stream_from_template(whole.streams.video[0])
        left = FRAMES
        for packet in whole.demux(video=0):
            if packet.dts is None or left == 0:
                break
            left -= 1
            packet.stream = stream
            short.mux(packet)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A model store with one tiny model in it."""
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


def one_line(text: str) -> str:
    """The only line that was said."""
    (line,) = [line for line in text.splitlines() if line.strip()]
    assert line.startswith("poseapp: ")
    return line


def the_recording(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]


# -- run -------------------------------------------------------------------------------------------------------------


def test_headless_every_frame_is_worked_on_with_the_real_model(
    short_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(short_clip), "--headless", "--out", str(tmp_path / "out"), "--model", "hourglass-s"]) == 0
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    folder = the_recording(tmp_path / "out")
    assert f"frames     {FRAMES} captured, {FRAMES} analysed, {FRAMES} written, 0 lost by the recorder" in out
    # Whichever is faster on this machine.
    assert re.search(r"model      hourglass-s on (ONNX Runtime|OpenVINO) \d.* · CPU · (FP32|INT8)\n", out)
    for name in ("annotated.mkv", "keypoints.jsonl", "session.json"):
        assert str(folder / name) in out
    written = lines(folder)
    assert [line["frame"] for line in written] == list(range(FRAMES))
    # The last picture of the copied ones is shown a little later than the one that should follow.
    np.testing.assert_allclose([line["t"] for line in written[:-1]], np.arange(FRAMES - 1) / 30, atol=1e-3)
    # The person of the clip is found, and followed.
    assert sum(bool(line["people"]) for line in written) > FRAMES // 3
    with av.open(str(folder / "annotated.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(written[-1]["t"] + 1 / 30, abs=5e-3)
        assert (container.streams.video[0].width, container.streams.video[0].height) == (1280, 720)
    manifest = json.loads((folder / "session.json").read_text())
    assert manifest["models"][0]["model"]["name"] == "hourglass-s"
    assert manifest["source"]["name"] == "short.mp4"
    assert manifest["finished"] is True


def test_main_py_is_the_same_command_from_any_folder(repo_root: Path, short_clip: Path, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repo_root / "main.py"), "run", str(short_clip), "--headless", "--engines-dir", str(store)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out")], cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"frames     {FRAMES} captured, {FRAMES} analysed, {FRAMES} written, 0 lost by the recorder" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(lines(the_recording(tmp_path / "out"))) == FRAMES


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is Linux's")
def test_a_screen_that_cannot_be_reached_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7654")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    assert display.no_window_because() in (
        "The screen :7654 (DISPLAY) cannot be reached.",
        "Qt cannot start (libxcb.so.1 is missing). On Debian or Ubuntu `make run` installs what is missing.",
    )


def test_the_packages_that_qt_needs_are_those_that_make_installs(repo_root: Path) -> None:
    known = runpy.run_path(str(repo_root / ".ci" / "system-packages"))["LIBRARIES"]
    assert display.QT_PACKAGES.split() == list(dict.fromkeys(known.values()))


def test_without_a_screen_the_demo_clip_is_run_and_it_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    if not sys.platform.startswith("linux"):
        monkeypatch.setattr("poseapp.cli.run.no_window_because", lambda: "There is no screen (DISPLAY is not set).")
    assert main(["run", "--engines-dir", str(store), "--seconds", "3"]) == 0
    out, err = capsys.readouterr()
    said = " ".join(err.split())
    assert "There is no screen (DISPLAY is not set). Running without a window." in said
    assert "No source given: using the demo clip demo.mp4." in said
    assert len(lines(the_recording(tmp_path / "recordings"))) > 3
    assert "frames " in out


def test_a_picture_is_one_frame(sample_picture: Path, store: Path, tmp_path: Path) -> None:
    assert main(["run", str(sample_picture), "--headless", "--engines-dir", str(store), "-o", str(tmp_path / "out")]) == 0
    assert len(lines(the_recording(tmp_path / "out"))) == 1


def test_ctrl_c_finishes_the_recording(repo_root: Path, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repo_root / "main.py"), "run", "synthetic", "--headless", "--engines-dir", str(store)]
    command += ["-o", str(tmp_path / "out")]
    # A shell's background job, such as these tests may be, hands on that Ctrl-C is to be ignored.
    heard = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, heard)
    with process:
        try:
            wait_until(lambda: list((tmp_path).glob("out/*/keypoints.jsonl")), 60)
            written = next((tmp_path).glob("out/*/keypoints.jsonl"))
            wait_until(lambda: written.stat().st_size > 200, 60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "Interrupted: finishing the recording." in err
    assert "frames " in out
    folder = the_recording(tmp_path / "out")
    manifest = json.loads((folder / "session.json").read_text())
    assert manifest["finished"] is True
    assert manifest["counts"]["written"] == len(lines(folder)) > 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.mp4", "nowhere.mp4: no such file, folder or address. Give camera:0, a path, an address or synthetic."),
        ("empty.mp4", "empty.mp4: the file is empty. Record or copy it again."),
        ("text.mp4", "text.mp4: not a video that can be read (Invalid data found when processing input). Try another file."),
        ("text.png", "text.png: not a picture that can be read. Try another file."),
        ("folder", "folder: holds no pictures"),
        ("camera:99", "Camera 99: cannot be opened. Plug it in, or close the other program that uses it."),
        ("http://127.0.0.1:9/live", "http://127.0.0.1:9/live: cannot be opened (Connection refused). Check the address"),
    ],
)
def test_a_bad_source_is_one_line_and_an_exit_status(
    source: str, message: str, store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.mp4").touch()
    Path("text.mp4").write_text("no video " * 100)
    Path("text.png").write_text("no picture")
    Path("folder").mkdir()
    assert main(["run", source, "--headless", "--engines-dir", str(store), "-o", "out", "--wait", "0"]) == 1
    out, err = capfd.readouterr()
    assert message in one_line(err)
    assert out == ""


@pytest.mark.parametrize("option", ["--engines-dir", "--model", "--device", "--precision"])
def test_an_option_before_the_command_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"--device": "cpu", "--precision": "fp32"}.get(option, "elsewhere")
    assert main([option, value, "models", "list"]) == 1
    assert capsys.readouterr().err.strip() == f"poseapp: {option}: give it after the command: poseapp models … {option} …"


def test_a_truncated_recording_can_be_run_again(short_clip: Path, store: Path, tmp_path: Path) -> None:
    """What a killed process left behind is a source like any other."""
    arguments = ["--headless", "--engines-dir", str(store), "-o"]
    assert main(["run", str(short_clip), *arguments, str(tmp_path / "first")]) == 0
    made = the_recording(tmp_path / "first") / "annotated.mkv"
    os.truncate(made, made.stat().st_size * 3 // 4)
    assert main(["run", str(made), *arguments, str(tmp_path / "second")]) == 0
    assert FRAMES // 2 < len(lines(the_recording(tmp_path / "second"))) < FRAMES


def test_an_output_folder_that_cannot_be_written(
    short_clip: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["run", str(short_clip), "--headless", "--engines-dir", str(store), "-o", str(tmp_path / "file" / "out")]) == 1
    assert one_line(capsys.readouterr().err).endswith(
        "cannot be written (Not a directory). Choose another folder for recordings."
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no store", "no such folder. Give a model store with --engines-dir."),
        ("no model", "model 'other': not in "),
        ("no key", "model.json: missing stride. Export the model again."),
        ("truncated", "model.onnx: expected SHA-256 "),
        ("no weights", "model.onnx: cannot be read (No such file or directory)."),
    ],
)
def test_a_bad_model_is_one_line_and_an_exit_status(
    damage: str, message: str, store: Path, short_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store / "tiny"
    spec = json.loads((folder / "model.json").read_text())
    if damage == "no key":
        del spec["stride"]
        (folder / "model.json").write_text(json.dumps(spec))
    elif damage == "truncated":
        os.truncate(folder / "model.onnx", 300)
    elif damage == "no weights":
        (folder / "model.onnx").unlink()
    where = tmp_path / "nowhere" if damage == "no store" else store
    name = "other" if damage == "no model" else "tiny"
    arguments = ["run", str(short_clip), "--headless", "--engines-dir", str(where), "--model", name, "-o", str(tmp_path / "out")]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert message in one_line(err)
    assert out == ""


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("top-down", "top-down: expected a person detector in the model store, found none."),
        ("bottom-up", "bottom-up: expected a model that finds all people at once in"),
    ],
)
def test_a_mode_that_the_store_cannot_serve_is_one_line_and_an_exit_status(
    mode: str, message: str, store: Path, short_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(short_clip), "--headless", "--engines-dir", str(store), "-o", str(tmp_path), "--mode", mode]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert one_line(err).startswith(f"poseapp: {message}")
    assert out == ""


def test_the_old_name_of_mode_is_still_taken_and_says_the_new_one(
    store: Path, short_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(short_clip), "--headless", "--engines-dir", str(store), "-o", str(tmp_path), "--people"]
    assert main([*arguments, "top-down"]) == 1
    deprecated, error = capsys.readouterr().err.splitlines()
    assert deprecated == "--people is deprecated: use --mode."
    assert error.startswith("poseapp: top-down: expected a person detector in the model store")
    assert main([*arguments, "three"]) == 2
    assert "expected one of one, top-down, bottom-up, got 'three'" in capsys.readouterr().err
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--mode" in shown
    assert "--people" not in shown


def test_top_down_without_a_window_writes_smoothed_joints(short_clip: Path, tmp_path: Path) -> None:
    arguments = ["run", str(short_clip), "--headless", "--model", "hourglass-s", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--mode", "top-down", "--smoothing", "0.8"]) == 0
    written = [line["people"] for line in lines(the_recording(tmp_path / "out"))]
    assert sum(len(people) == 1 for people in written) > 0.8 * FRAMES, "there is one person in the clip"
    people = [person for line in written for person in line]
    assert all(len(person["smoothed"]) == len(person["keypoints"]) for person in people)
    still = [person["smoothed"] == [joint[:2] for joint in person["keypoints"]] for person in people]
    assert sum(still) <= FRAMES / 4, "the first look at somebody is all that smoothing leaves as it is"


def test_a_traceback_comes_with_debug_only(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("no video " * 100)
    arguments = ["run", str(tmp_path / "text.mp4"), "--headless", "--engines-dir", str(store), "-o", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert main([*arguments, "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "SourceError" in err
    assert main(["--debug", *arguments]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_is_one_line_too(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("poseapp.live.sources.SyntheticSource._draw", burst)
    assert main(["run", "synthetic", "--headless", "--engines-dir", str(store), "-o", str(tmp_path)]) == 1
    assert "unexpected ZeroDivisionError: oops. Please report this with the log." in one_line(capsys.readouterr().err)
    monkeypatch.setattr("poseapp.cli.run.find_model", burst)
    assert main(["run", "synthetic", "--headless", "--engines-dir", str(store), "-o", str(tmp_path)]) == 1
    assert "unexpected ZeroDivisionError: oops (run again with --debug for the details)" in one_line(capsys.readouterr().err)


@pytest.mark.skipif(not unavailable("tensorrt"), reason="TensorRT can run here")
def test_a_device_that_is_not_here_is_replaced_and_the_summary_says_why(
    store: Path, tmp_path: Path, sample_picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(sample_picture), "--headless", "--out", str(tmp_path / "out"), "--engines-dir", str(store)]
    assert main([*command, "--device", "tensorrt"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line)
    assert lines["model"].endswith("· CPU · FP32")
    assert lines["instead"] == unavailable("tensorrt")
    (manifest,) = (tmp_path / "out").glob("*/session.json")
    assert json.loads(manifest.read_text())["models"][0]["backend"]["fallback"] == unavailable("tensorrt")


@pytest.mark.parametrize(("option", "known"), [("--device", "auto, cpu, openvino, cuda, tensorrt"), ("--precision", "int8")])
def test_a_device_or_precision_that_does_not_exist_is_said_before_anything_starts(
    option: str, known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "synthetic", "--headless", option, "abacus"]) == 2
    error = capsys.readouterr().err
    assert f"'{option}'" in error
    assert known in error
    assert "got 'abacus'" in error


# -- the rest --------------------------------------------------------------------------------------------------------


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"poseapp {poseapp.__version__}"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["bench", "--help"], ["models", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "Usage: poseapp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--nope"], "No such option: --nope"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run", "--mode", "three"], "expected one of one, top-down, bottom-up, got 'three'"),
        (["run", "--smoothing", "1.5"], "Invalid value for '--smoothing'"),
        (["bench", "--seconds", "x"], "Invalid value for '--seconds'"),
        (["run", "synthetic", "extra", "--headless"], "extra"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    line = one_line(capsys.readouterr().err)
    assert message in line
    assert line.endswith("--help.")


def test_models_are_listed_with_the_broken_ones(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model.write_model(store / "broken")
    (store / "broken" / "model.json").write_text("{}")
    assert main(["models", "--engines-dir", str(store)]) == 0
    out = capsys.readouterr().out
    assert "tiny" in out
    assert "broken" in out


def test_a_model_of_an_unknown_family_is_listed_with_the_name_of_the_family(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.write_model(store / "foreign")
    path = store / "foreign" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "family": "vitpose"}))
    assert main(["models", "--engines-dir", str(store)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "foreign is broken: " in out
    assert "got 'vitpose'" in out


@pytest.mark.parametrize("columns", [40, 76, 80, 120, 160, 240])
def test_the_list_of_models_can_be_read_at_every_width(
    store: Path, repo_root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("hourglass-s", "openpose-s"):
        (store / name).mkdir()
        (store / name / "model.json").write_bytes((repo_root / "engines" / name / "model.json").read_bytes())
    assert main(["models", "--engines-dir", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    broken = [line for line in lines if " is broken: " in line]
    assert [line.split(":")[0] for line in broken] == ["hourglass-s is broken", "openpose-s is broken"]
    lines = [line for line in lines if line not in broken]
    assert all(len(line) <= columns for line in lines)
    assert "…" not in "".join(lines)
    words = " ".join(lines).split()
    names = {"tiny", "hourglass-s", "openpose-s", *CATALOGUE}
    assert names <= {line.split()[0].rstrip(":") for line in lines if line.strip()}
    joined = " ".join(words).replace(",", "")
    for figure in ("192×144", "openpose-18", "3.2 M", "354.0 M", "143.4 G", "to fetch", "ready", "broken"):
        assert figure in joined
    for one in CATALOGUE.values():
        assert set(f"{one.data} {one.licence}".replace(",", "").split()) <= set(joined.split())


def test_a_name_longer_than_the_console_is_not_cut(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "a" + "-very" * 12 + "-long-name[bold]"
    tiny_model.write_model(store / name, name=name)
    assert main(["models", "--engines-dir", str(store)]) == 0
    assert name in capsys.readouterr().out.replace("\n", "")


def test_the_app_starts_without_torch() -> None:
    modules = "poseapp.cli.main, poseapp.live.session, poseapp.bench.__main__, poseapp.bench.pipeline, poseapp.render"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_line_starts_without_what_its_commands_need() -> None:
    """``poseapp --help`` and every completion wait for these imports."""
    heavy = {"av", "onnx", "onnxruntime", "PySide6", "scipy", "torch"}
    code = f"import sys, poseapp.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
