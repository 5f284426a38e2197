"""What the pipeline's benchmark measured, as a table and as JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field

import av
import cv2
import numpy as np

import poseapp
from poseapp.bench.clip import HW


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The figures of one scenario.

    ``ms`` has p50 and p95 of each stage. ``overhead_ms`` is what the app adds to the network's time (p50). ``first_pose_s`` is
    the time from the start of the pipeline to the first person, 0 when nobody was found. ``drops`` counts the camera's frames
    that were not analysed ("capture") and the poses that the recorder had no time for ("recording").
    """

    scenario: str
    fps: float
    ms: dict[str, tuple[float, float]]
    overhead_ms: float
    first_pose_s: float
    drops: dict[str, int]
    cpu_percent: float
    memory_mb: float
    person_count: int
    recorded_fps: float = 0.0


@dataclass(frozen=True)
class BenchmarkReport:
    """A benchmark with all that is needed to compare it with another one."""

    model: str
    weights_sha256: str
    backend: str
    measurements: tuple[Measurement, ...]
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    when: str = ""

    def table(self) -> str:
        """The figures as a Markdown table with the machine above it."""
        lines = [
            f"{self.model} on {self.backend}; {machine_line(self.machine)}; clip {HW[1]}×{HW[0]}",
            "",
            (
                "| | fps | recorded fps | total p50 / p95 ms | wait | crop | inference | decode | draw | encode | overhead ms "
                "| first pose s | dropped: camera, recorder |"
            ),
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for m in self.measurements:
            total = m.ms.get("total", (0.0, 0.0))
            stages = " | ".join(
                f"{m.ms[s][0]:.2f}" if s in m.ms else "–" for s in ("wait", "crop", "inference", "decode", "draw", "encode")
            )
            recorded = f"{m.recorded_fps:.1f}" if m.recorded_fps else "–"
            dropped = ", ".join(str(m.drops.get(name, 0)) for name in ("capture", "recording"))
            before, after = (
                f"{m.scenario} | {m.fps:.1f} | {recorded} | {total[0]:.1f} / {total[1]:.1f}",
                f"{m.overhead_ms:.2f} | {m.first_pose_s:.2f} | {dropped}",
            )
            lines.append(f"| {before} | {stages} | {after} |")
        return "\n".join(lines)

    def to_json(self) -> str:
        """All figures as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def machine_line(machine: dict[str, str]) -> str:
    """The machine that figures are of, for the line above them."""
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"


def versions() -> dict[str, str]:
    """What ran."""
    return {
        "poseapp": poseapp.__version__,
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "pyav": av.__version__,
        "numpy": np.__version__,
    }
