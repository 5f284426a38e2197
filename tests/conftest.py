"""What every test gets: Qt without a screen, the project's paths, and a check that no thread is left behind."""

from __future__ import annotations

import ctypes
import getpass
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
# Timings and compiled engines of tests stay out of the user's cache. It is kept between runs, as a cache is.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"poseapp-tests-{getpass.getuser()}")

ROOT = Path(__file__).resolve().parent.parent
THREAD_GRACE_S = 10.0
ROOT_LEVEL = logging.getLogger().level


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    """The command line sets up logging for its process; the next test's process is the same one."""
    root = logging.getLogger()
    root.setLevel(ROOT_LEVEL)  # a fixture of the whole session may have run a command just now
    before = list(root.handlers)
    yield
    root.setLevel(ROOT_LEVEL)
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler and handler not in before:  # pytest's own are of other classes
            root.removeHandler(handler)


def _no_gpu_because() -> str | None:
    """Why there is no NVIDIA GPU here, or None where there is one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver on this machine"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked gpu where there is no GPU, saying why."""
    reason = _no_gpu_because()
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Fail a test that leaves one of the app's threads, or a thread that would keep Python from ending."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREAD_GRACE_S
    while left := [t for t in threading.enumerate() if t not in before and (not t.daemon or t.name.startswith("poseapp"))]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left running: {', '.join(t.name for t in left)}")
        left[0].join(0.05)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """The command line sets how much is logged, which the next test must not notice."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    cv2_level = cv2.utils.logging.getLogLevel()
    yield
    root.handlers[:] = before
    root.setLevel(level)
    cv2.utils.logging.setLogLevel(cv2_level)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def demo_clip() -> Path:
    """The bundled clip of one person: 1280×720, 30 fps."""
    return ROOT / "assets" / "demo.mp4"


@pytest.fixture(scope="session")
def sample_picture() -> Path:
    """The bundled picture of one person, 1280×720."""
    return ROOT / "assets" / "sample.jpg"
