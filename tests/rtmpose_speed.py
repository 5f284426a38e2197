"""``python tests/rtmpose_speed.py``: the time of RTMPose's networks beside that of hourglass-s, in turn, on one thread.

The RTMPose networks have the published layout and random weights (``ready_graphs``), which take as long as trained ones. What is
measured is the processor's time and not the clock's, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
for place in (HERE.parent, HERE):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

import ready_graphs as ready  # noqa: E402 - the folder is made known above

from poseapp import resources  # noqa: E402
from poseapp.convert.importing import import_file  # noqa: E402
from poseapp.core.spec import ModelSpec  # noqa: E402
from poseapp.engine import openvino  # noqa: E402
from poseapp.engine.base import BaseEngine  # noqa: E402
from poseapp.engine.model_folder import ModelFolder  # noqa: E402
from poseapp.engine.onnxruntime import OrtEngine  # noqa: E402
from poseapp.engine.openvino import OpenVinoEngine  # noqa: E402

OURS = ("hourglass-t", "hourglass-s", "hrnet-s")


def main() -> None:
    """Print a table: ms of the processor for one crop, the median of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, metavar="COUNT", help="how often each network runs (default: 40)")
    rounds = parser.parse_args().rounds
    runtimes: dict[str, Callable[[Path, ModelSpec, int], BaseEngine]] = {"ONNX Runtime": OrtEngine}
    if not openvino.unavailable():
        runtimes["OpenVINO"] = OpenVinoEngine
    with tempfile.TemporaryDirectory() as store:
        folders = [resources.bundled_engines_dir() / name for name in OURS]
        for size in "tsm":
            path = Path(store, f"{size}.zip")
            path.write_bytes(ready.rtmpose_archive(size))
            import_file(path, None, f"rtmpose-{size}", Path(store))
            folders.append(Path(store, f"rtmpose-{size}"))
        specs = {folder: ModelFolder(folder).spec() for folder in folders}
        engines = {
            (name, runtime): make(ModelFolder(folder).graph(spec), spec, 1)
            for folder, spec in specs.items()
            for name in [spec.name]
            for runtime, make in runtimes.items()
        }
        ms: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
        for _ in range(rounds):
            for key, engine in engines.items():
                crops = np.random.default_rng(0).integers(0, 256, (1, *engine.spec.input_hw, 3), np.uint8)
                begun = time.process_time()
                engine.infer(crops)
                ms[key].append((time.process_time() - begun) * 1e3)
        print(f"| network | input | G multiply-accumulates | {' | '.join(runtimes)} |")
        for spec in specs.values():
            times = " | ".join(f"{np.median(ms[spec.name, runtime]):.1f} ms" for runtime in runtimes)
            print(f"| {spec.name} | {spec.input_hw[0]}×{spec.input_hw[1]} | {spec.macs / 1e9:.2f} | {times} |")
        for engine in engines.values():
            engine.close()


if __name__ == "__main__":
    main()
