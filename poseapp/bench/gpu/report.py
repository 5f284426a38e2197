"""The report in Markdown, and its figures as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from poseapp.bench.gpu.measuring import MATRIX_SIDE, Line, Rates
from poseapp.bench.gpu.ways import COMPILED, EAGER, ROUNDED
from poseapp.core.errors import PoseAppError
from poseapp.engine import driver
from poseapp.engine.machine import machine
from poseapp.engine.tensorrt import library


def report(lines: Sequence[Line], rates: Rates) -> str:
    """The whole report in Markdown."""
    head = [f"- {name}: {value}" for name, value in versions().items()]
    reached = [f"{name} {2 * rate / 1e12:.1f} TFLOP/s" for name, rate in rates.macs_per_s.items()]
    head.append(
        f"- measured: {', '.join(reached)} in {MATRIX_SIDE}² matrix products; {rates.bytes_per_s / 1e9:.0f} GB/s in copies"
    )
    marks = {True: "reached", False: "missed", None: "open"}
    aims = [f"- {goal.text}: {marks[goal.reached]} ({goal.got})" for goal in goals(lines)]
    return "\n".join([*head, "", table(lines, rates), "", "Goals:", *aims])


def table(lines: Sequence[Line], rates: Rates) -> str:
    """A Markdown table; what did not run has its reason below and dashes in it."""
    rows = [
        "| network | batch | way | ms p50 | ms p95 | people/s | × eager | limit ms | share of the limit |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    eager = {(line.network, line.batch): line.p50_ms for line in lines if line.way == EAGER}
    reasons: dict[str, list[str]] = {}
    for line in lines:
        start = f"| {line.network} | {line.batch} | {line.way} |"
        if line.reason:
            rows.append(f"{start} – | – | – | – | – | – |")
            reasons.setdefault(line.reason, []).append(f"{line.network} {line.way} batch {line.batch}")
            continue
        limit = rates.limit_ms(line)
        cells = (
            f"{line.p50_ms:.3f}",
            f"{line.p95_ms:.3f}",
            f"{line.people_per_s:,.0f}",
            _cell(eager.get((line.network, line.batch), math.nan) / line.p50_ms, "{:.1f}"),
            _cell(limit, "{:.3f}"),
            _cell(100 * limit / line.p50_ms, "{:.0f} %"),
        )
        rows.append(f"{start} {' | '.join(cells)} |")
    if reasons:
        rows += ["", "Not run:"]
        rows += [f"- {_listed(who)}: {reason}" for reason, who in reasons.items()]
    return "\n".join(rows)


def _cell(value: float, form: str) -> str:
    return "–" if math.isnan(value) else form.format(value)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


@dataclass(frozen=True)
class Goal:
    """A figure to reach. ``reached`` None when it was not measured."""

    text: str
    reached: bool | None
    got: str


def goals(lines: Sequence[Line]) -> list[Goal]:
    """HRNet-W32 with a captured graph: 2 ms and five times eager for one person, 3,000 people a second in eights."""

    def best(batch: int) -> Line | None:
        ours = [line for line in lines if (line.network, line.batch) == ("hrnet-w32", batch) and not line.reason]
        return min(
            (line for line in ours if line.way not in (EAGER, ROUNDED, COMPILED)), key=lambda line: line.p50_ms, default=None
        )

    eager = next((x for x in lines if (x.network, x.batch, x.way) == ("hrnet-w32", 1, EAGER) and not x.reason), None)
    one, eight = best(1), best(8)
    ratio = eager.p50_ms / one.p50_ms if one is not None and eager is not None else math.nan
    return [
        Goal("HRNet-W32, one person: at most 2 ms", None if one is None else one.p50_ms <= 2, _told(one, "p50_ms", "ms")),
        Goal(
            "HRNet-W32, one person: at least 5 times as fast as eager",
            None if math.isnan(ratio) else ratio >= 5,
            "not measured" if math.isnan(ratio) or one is None else f"{ratio:.1f} times with {one.way}",
        ),
        Goal(
            "HRNet-W32 in eights: at least 3,000 people/s",
            None if eight is None else eight.people_per_s >= 3000,
            _told(eight, "people_per_s", "people/s"),
        ),
    ]


def _told(line: Line | None, figure: str, unit: str) -> str:
    return "not measured" if line is None else f"{getattr(line, figure):,.2f} {unit} with {line.way}"


def versions() -> dict[str, str]:
    """What ran, and where."""
    gpu = driver.find_gpu()
    runtime = library.tensorrt() if isinstance(gpu, driver.Gpu) else None
    return {
        "GPU": f"{gpu.name}, compute capability {gpu.compute[0]}.{gpu.compute[1]}" if isinstance(gpu, driver.Gpu) else gpu,
        "driver": gpu.driver if isinstance(gpu, driver.Gpu) else "–",
        "PyTorch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}, cuDNN {torch.backends.cudnn.version() or 'none'}",
        "TensorRT": library.runtime_name(runtime) if runtime is not None else "not loaded",
        "CPU": f"{machine()['cpu']}, {machine()['system']}",
    }


def write_report(out: Path, rates: Rates, lines: Sequence[Line]) -> None:
    """Write the report to *out*, and its figures beside it as JSON."""
    figures = {"versions": versions(), "rates": asdict(rates), "lines": [line_json(line) for line in lines]}
    try:
        out.write_text(report(lines, rates) + "\n", encoding="utf-8")
        out.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PoseAppError(f"{out}: cannot be written ({error.strerror}). Choose another file.") from None


def line_json(line: Line) -> dict[str, Any]:
    """The line's figures; JSON has no NaN."""
    return {name: value for name, value in asdict(line).items() if not (isinstance(value, float) and math.isnan(value))}
