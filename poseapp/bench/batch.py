"""What a batch gains from processes, and what each file costs::

    python -m poseapp.bench.batch --model hourglass-s --processes 2

``run --headless`` and batches of one and of several processes analyse the same pictures, all with the annotated video. A batch is
run with a few and with three times as many copies of a clip: the difference is the work alone, without the start. Clips of one
picture tell what each file costs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import av
import typer

from poseapp import resources
from poseapp.console import run_module
from poseapp.core.errors import PoseAppError

DEMO = resources.asset("demo.mp4")
_COMMAND = (sys.executable, "-c", "from poseapp.cli.main import entry; entry()")


def first_pictures(clip: Path, to: Path, count: int) -> Path:
    """The first *count* pictures of *clip* in the file *to*, as they are stored."""
    with av.open(str(clip)) as source, av.open(str(to), "w") as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        for n, packet in enumerate(source.demux(video)):
            if n == count or packet.dts is None:
                break
            packet.stream = copy
            target.mux(packet)
    return to


def headless_fps(clip: Path, out: Path, options: list[str]) -> float:
    """Frames a second of ``poseapp run --headless``, as it says itself. Raises PoseAppError where it fails."""
    done = subprocess.run([*_COMMAND, "run", str(clip), "--headless", "-o", str(out), *options], capture_output=True, text=True)
    found = re.search(r"([\d.]+) fps", done.stdout)
    if found is None:
        raise PoseAppError(f"run --headless: failed ({done.stderr.strip()[-200:]}).")
    return float(found[1])


def batch_s(clip: Path, copies: int, processes: int, folder: Path, options: list[str]) -> float:
    """Seconds of a batch on so many *copies* of *clip*. Raises PoseAppError where it fails."""
    folder.mkdir()
    for n in range(copies):
        shutil.copy(clip, folder / f"{n}{clip.suffix}")
    began = time.perf_counter()
    command = [*_COMMAND, "batch", str(folder), "--out", f"{folder}-out", "--video", "--processes", str(processes), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PoseAppError(f"batch: failed ({done.stderr.strip()[-200:]}).")
    return time.perf_counter() - began


def measure(
    clip: Annotated[Path, typer.Option(metavar="CLIP", help="What is analysed.")] = DEMO,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model.")] = "hourglass-s",
    processes: Annotated[int, typer.Option(metavar="NUMBER", help="As many as are compared with one.")] = 2,
    frames: Annotated[int, typer.Option(metavar="NUMBER", help="Pictures of the clip.")] = 120,
    copies: Annotated[int, typer.Option(metavar="NUMBER", help="Of the clip, in the smaller batch.")] = 2,
) -> None:
    """Measure, and print JSON."""
    options = ["--model", model, "--device", "cpu", "--precision", "fp32"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        short = first_pictures(clip, folder / "clip.mp4", frames)
        one = first_pictures(clip, folder / "one.mp4", 1)
        report: dict[str, float] = {"headless_fps": headless_fps(short, folder / "run", options)}
        for count in (1, processes):
            few = batch_s(short, copies, count, folder / f"few{count}", options)
            many = batch_s(short, 3 * copies, count, folder / f"many{count}", options)
            report[f"batch_{count}_fps"] = round(2 * copies * frames / (many - few), 1)
            report[f"batch_{count}_ratio"] = round(report[f"batch_{count}_fps"] / report["headless_fps"], 2)
            report[f"start_{count}_s"] = round(few - (many - few) / 2, 1)
        few, many = (batch_s(one, n, 1, folder / f"one{n}", options) for n in (5, 25))
        report["file_s"] = round((many - few) / 20, 3)
        written = sum(path.stat().st_size for path in (folder / f"many{processes}-out").rglob("keypoints.jsonl"))
        report["bytes_a_frame"] = round(written / (3 * copies * frames), 1)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    run_module(lambda: typer.run(measure))
