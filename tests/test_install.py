"""The app as people install it: the wheel holds all that it needs, and runs from anywhere, without the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_model

pytestmark = pytest.mark.timeout(900)  # a busy machine takes its time to pack and unpack 70 MB
TIMEOUT_S = 400
BUNDLED = ("hourglass-l", "hourglass-s", "hourglass-t", "hrnet-s", "openpose-s")

# Run at the start of each Python of the bare environment: whoever opens a file of the checkout ends at once.
GUARD = """
import os, sys

def guard(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith({forbidden!r}):
            os.write(2, f"opened {{path}} of the checkout".encode())
            os._exit(97)

sys.addaudithook(guard)
"""

WINDOW = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from poseapp import resources
from poseapp.cli.main import entry
from poseapp.ui.app import make_application
from poseapp.ui.main_window import MainWindow

def look():
    for window in QApplication.topLevelWidgets():
        result = window.view.result if isinstance(window, MainWindow) else None
        if result is not None and len(result.poses):
            print("pose of", result.poses.xy.shape[1], "joints by", result.model, "icon", not app.windowIcon().isNull())
            timer.stop()
            window.close()

app = make_application(["poseapp"])
timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
sys.argv[1:] = ["run", str(resources.asset("demo.mp4"))]
entry()
"""


def build(source: Path, target: str, out: Path) -> Path:
    """Build *source* into an sdist or a wheel in *out*, as pip does but for the environment that it would make."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=TIMEOUT_S)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return build(repo_root, "wheel", tmp_path_factory.mktemp("wheel"))


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment that sees the packages it depends on, and neither the checkout nor its editable install."""

    bin: Path
    package: Path
    home: Path

    def run(self, *command: str, **environment: str) -> str:
        """What *command*, a program of the environment, prints; it must end well, and leave the installed files alone."""
        before = self.files()
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "XDG_CACHE_HOME") if name in os.environ}
        homes = {"HOME": str(self.home), "LOCALAPPDATA": str(self.home), "XDG_DATA_HOME": str(self.home / "data")}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.home, env={**kept, **homes, **environment}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert self.files() == before, "the app wrote into its own installation"
        return done.stdout

    def python(self, code: str, **environment: str) -> str:
        """What *code* prints there."""
        return self.run("python", "-c", code, **environment)

    def files(self) -> dict[Path, int]:
        """The installed files and when they were changed."""
        return {path: path.stat().st_mtime_ns for path in self.package.rglob("*")}


@pytest.fixture(scope="session")
def bare(wheel: Path, repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The environment's folder of programs, and the installed package in it."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    install = ["--python", str(scripts / "python"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    # What PYTHONPATH names would count as installed.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True, timeout=TIMEOUT_S, env=environment)
    (package,) = place.rglob("site-packages/poseapp")
    # A folder named in a .pth file is on the path, but the .pth files in it, an editable install's for one, are not read.
    lines = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (package.parent / "dependencies.pth").write_text("\n".join(lines), encoding="utf-8")
    forbidden = tuple(str(repo_root / name) + os.sep for name in ("poseapp", "assets", "engines"))
    (package.parent / "sitecustomize.py").write_text(GUARD.format(forbidden=forbidden), encoding="utf-8")
    return scripts, package


@pytest.fixture
def installed(bare: tuple[Path, Path], tmp_path: Path) -> Installed:
    """The installed app, for a user who has just come."""
    home = tmp_path / "home"
    home.mkdir()
    return Installed(*bare, home)


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def models(installed: Installed) -> dict[str, str]:
    """The lines of `poseapp models` by the model's name."""
    return {line.split()[0]: line for line in installed.run("poseapp", "models").splitlines() if line.strip()}


# -- what is in it ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_sdist_gives_the_same_wheel(wheel: Path, repo_root: Path, tmp_path: Path) -> None:
    with tarfile.open(build(repo_root, "sdist", tmp_path / "sdist")) as tar:
        (top,) = {name.partition("/")[0] for name in tar.getnames()}
        left_out = tuple(f"{top}/{folder}/" for folder in ("data", "runs", "recordings", ".venv"))
        assert not [name for name in tar.getnames() if name.startswith(left_out)]
        tar.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    assert names(build(folder, "wheel", tmp_path / "wheel")) == names(wheel)


def test_the_wheel_has_the_code_the_models_and_the_assets_and_no_more(wheel: Path, repo_root: Path) -> None:
    found = {name for name in names(wheel) if name.startswith("poseapp/")}
    code = {path.relative_to(repo_root).as_posix() for path in (repo_root / "poseapp").rglob("*.py")}
    bundled = {name.removeprefix("poseapp/bundled/") for name in found - code}
    assert code <= found
    assets = ("demo.mp4", "icon.svg", "icon.png", "sample.jpg", "skeleton.html", "verify-crops.jpg")
    assert {f"assets/{name}" for name in assets} <= bundled
    for folder in (path for path in (repo_root / "engines").iterdir() if path.is_dir()):
        needed = {path.name for path in folder.iterdir() if path.suffix in (".onnx", ".json")} | {"README.md"}
        needed -= {path.name for path in folder.glob("*.plan.json")}  # made for the GPU of this machine
        assert {name.rpartition("/")[2] for name in bundled if name.startswith(f"engines/{folder.name}/")} == needed
    assert "engines/LICENSE-Apache-2.0.txt" in bundled
    assert {Path(name).suffix for name in bundled} == {
        ".html",
        ".jpg",
        ".json",
        ".md",
        ".mp4",
        ".onnx",
        ".png",
        ".svg",
        ".txt",
        ".xz",
    }
    assert wheel.stat().st_size < 100e6


def test_no_module_looks_for_files_beside_itself(repo_root: Path) -> None:
    for path in (repo_root / "poseapp").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        # Those of other modules are their own affair.
        assert not re.search(r"(?<!\.)__file__", text), f"{path}: ask poseapp/resources.py"


# -- running it ------------------------------------------------------------------------------------------------------


def test_it_does_not_see_the_checkout(installed: Installed, repo_root: Path) -> None:
    where = json.loads(
        installed.python(
            "import json, poseapp; from poseapp import resources as r; print(json.dumps([poseapp.__file__, str(r.asset('x')), "
            "str(r.bundled_engines_dir()), str(r.own_engines_dir())]))"
        )
    )
    package = installed.package
    assert where[:3] == [str(package / "__init__.py"), str(package / "bundled/assets/x"), str(package / "bundled/engines")]
    assert Path(where[3]).is_relative_to(installed.home)
    caught = f"open({str(repo_root / 'assets' / 'demo.mp4')!r}, 'rb')"
    with pytest.raises(AssertionError, match=r"demo\.mp4 of the checkout"):
        installed.python(caught)


def test_models_are_listed(installed: Installed) -> None:
    listed = models(installed)
    assert all(listed[name].split().count("ready") == 1 for name in BUNDLED)
    assert str(installed.home) in listed["Your"]


def test_it_runs_without_a_window(installed: Installed) -> None:
    said = installed.run("poseapp", "run", "synthetic", "--headless", "--seconds", "1", "--out", "out")
    assert "model      hourglass-s on " in said
    (recording,) = (installed.home / "out").iterdir()
    assert (recording / "keypoints.jsonl").read_text(encoding="utf-8").count("\n") > 5


def test_the_window_opens_shows_a_pose_and_closes(installed: Installed) -> None:
    said = installed.python(WINDOW, QT_QPA_PLATFORM="offscreen", DISPLAY=":0", XDG_CONFIG_HOME=str(installed.home / "config"))
    assert said.strip() == "pose of 17 joints by hourglass-s icon True"


# -- a user's own models -----------------------------------------------------------------------------------------------


def own_folder(installed: Installed) -> Path:
    return Path(installed.python("from poseapp import resources as r; print(r.own_engines_dir())").strip())


def test_own_models_stand_beside_the_bundled_ones_and_before_those_of_their_name(installed: Installed) -> None:
    own = own_folder(installed)
    tiny_model.write_model(own / "mine")
    tiny_model.write_model(own / "hourglass-t")
    listed = models(installed)
    assert listed["mine"].split().count("ready") == 1
    assert listed["hourglass-t"].split().count("yours") == 1
    assert listed["hourglass-s"].split().count("ready") == 1
    assert {*BUNDLED, "mine"} <= set(listed)
    # What a mode needs beside the model, the person detector, is that of the app.
    for name in ("mine", "hourglass-t"):
        code = (
            "from poseapp.engine.store import default_engines_dir, find_model\nfrom poseapp.pipeline.modes import check_mode\n"
            f"folder = find_model(default_engines_dir(), {name!r}).folder\ncheck_mode(folder, 'top-down')\nprint(folder)"
        )
        assert installed.python(code).strip() == str(own / name)


PLACES = """
import json
from poseapp.core.errors import ModelError
from poseapp.engine.tensorrt.plans import plans_dir
from poseapp.engine.detector import find_detector
from poseapp.engine.store import default_engines_dir, find_model
from poseapp.engine.store import place_for

store = default_engines_dir()
try:
    refused = str(place_for(store, "hourglass-s"))
except ModelError as error:
    refused = str(error)
folder = find_model(store, "hourglass-s").folder
places = [place_for(store, "new"), place_for(store, "hourglass-s", replace=True), plans_dir(folder), find_detector(folder.parent)]
print(json.dumps([refused, *map(str, places)]))
"""


def test_nothing_is_written_beside_the_bundled_models(installed: Installed) -> None:
    own = own_folder(installed)
    shutil.copytree(installed.package / "bundled" / "engines" / "person-detector", own / "finder")
    refused, new, replaced, plans, detector = json.loads(installed.python(PLACES, XDG_CACHE_HOME=str(installed.home / "cache")))
    assert refused == ("hourglass-s: comes with the app. Give another --name, or use yours in its place with --replace.")
    assert [new, replaced] == [str(own / "new"), str(own / "hourglass-s")]
    assert Path(plans).is_relative_to(installed.home)
    assert detector == str(own / "finder")


@pytest.mark.slow
def test_changing_a_bundled_model_changes_a_copy_among_the_own(installed: Installed) -> None:
    installed.run("poseapp", "models", "convert", "hourglass-t", "--precision", "fp16")
    assert (own_folder(installed) / "hourglass-t" / "model.fp16.onnx").is_file()
    assert models(installed)["hourglass-t"].split().count("yours") == 1


def test_another_store_stands_alone(installed: Installed, tmp_path: Path) -> None:
    tiny_model.write_model(tmp_path / "store" / "only")
    said = installed.run("poseapp", "models", "--engines-dir", str(tmp_path / "store"))
    assert "only" in said
    assert "hourglass-s" not in said
