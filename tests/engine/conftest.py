"""The strict driver, for the tests that call CUDA without a GPU."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "strict"


@pytest.fixture(scope="session")
def strict_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the strict driver as libcuda.so.1."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler for the strict driver")
    folder = tmp_path_factory.mktemp("strict")
    sources = [str(SOURCES / name) for name in ("strict_driver.c", "pycuda_rest.c")]
    command = [compiler, "-shared", "-fPIC", "-pthread", "-O1", "-w", "-o", str(folder / "libcuda.so.1"), *sources, "-ldl"]
    subprocess.run(command, check=True, timeout=100)
    (folder / "libcuda.so").symlink_to("libcuda.so.1")  # the name that PyCUDA was linked with
    return folder
