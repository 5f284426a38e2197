"""How fast networks are on an NVIDIA GPU, and how far from what it can do: ``python -m poseapp.bench --gpu``.

Every figure is one whole inference: uint8 crops from pinned memory up, network and decoding, K × 3 numbers down, wait.
What cannot run is said with its reason and never estimated. Beside the engines this needs PyTorch.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

from poseapp.convert.export import write_model
from poseapp.core.errors import EngineError, PoseAppError, first_line
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18
from poseapp.core.spec import ModelSpec, Precision, Source
from poseapp.engine import driver
from poseapp.engine.load import default_engines_dir, list_models
from poseapp.engine.machine import machine
from poseapp.engine.tensorrt import builder as build
from poseapp.engine.tensorrt import engine as trt
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.deploy import IMAGENET_RGB, Deploy
from poseapp.nets.hourglass import LiteHourglass, StackedHourglass
from poseapp.nets.hrnet import HRNet

BATCHES = (1, 8)
EAGER = "PyTorch eager FP32"
ROUNDED = "PyTorch eager TF32"  # what PyTorch does unless told otherwise: convolutions with 10 bits of mantissa
GRAPHS = {"PyTorch graph FP16": torch.float16, "PyTorch graph BF16": torch.bfloat16}
COMPILED = "torch.compile FP16"
WAYS = (EAGER, ROUNDED, *GRAPHS, "TensorRT FP32", "TensorRT FP16", "TensorRT INT8", COMPILED)
WARM_UP_RUNS = 10
MATRIX_SIDE, COPY_BYTES = 8192, 1 << 30
FIELDS = 2 * len(OPENPOSE_18.limbs)  # maps of a bottom-up network beside its joints' and the background's

Once = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """A network to measure: how it is deployed, how to make it (its weights do not matter for speed), and where it is
    stored if the app has it.
    """

    spec: ModelSpec
    make: Callable[[], nn.Module]
    folder: Path | None = None


@dataclass(frozen=True)
class Line:
    """One way to run one network at one batch. Times in ms of a whole batch; ``reason`` why there are none."""

    network: str
    batch: int
    way: str
    macs: int
    moved_bytes: int
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    reason: str = ""

    @property
    def people_per_s(self) -> float:
        """Crops a second at the median."""
        return self.batch / self.p50_ms * 1e3


@dataclass(frozen=True)
class Rates:
    """What the machine reaches in ideal work: multiply-accumulates a second by precision, and bytes a second."""

    macs_per_s: Mapping[str, float]
    bytes_per_s: float

    def limit_ms(self, line: Line) -> float:
        """The roofline: no run of *line* can be faster. NaN where the matrix rate was not measured.

        Memory counts what must cross it at least: the weights and the batch's crops and maps, each once.
        """
        rate = self.macs_per_s.get(line.way.rpartition(" ")[2], math.nan)
        if math.isnan(rate):
            return math.nan
        return 1e3 * max(line.macs * line.batch / rate, line.moved_bytes / self.bytes_per_s)


def subjects(engines_dir: Path) -> list[Subject]:
    """Every bundled model whose network is known here, and the published networks that the table is about."""
    small: dict[str, Callable[[], nn.Module]] = {
        "hourglass-t": LiteHourglass,
        "hourglass-s": LiteHourglass,
        "hourglass-l": lambda: LiteHourglass(stacks=2),
        "hrnet-s": lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
        "cpm-s": lambda: ConvolutionalPoseMachine(18, stages=3, batch_norm=True, width=32),
        "openpose-s": lambda: StackedHourglass(stacks=2, joints=OPENPOSE_18.k + 1 + FIELDS, features=96, stem=32),
    }
    stored = [m for m in list_models(engines_dir) if m.spec is not None and m.name in small]
    found = [Subject(m.spec, small[m.name], m.folder) for m in stored if m.spec is not None]
    hrnets = [Subject(_published(f"hrnet-w{width}", (256, 192)), functools.partial(HRNet, width)) for width in (32, 48)]
    hourglasses = [
        Subject(
            replace(_published(f"hourglass-{n}", (256, 256)), family="hourglass", skeleton=MPII_16, mapping="centre"),
            functools.partial(StackedHourglass, n, 16),
        )
        for n in (1, 2, 8)
    ]
    cpm = replace(_published("cpm", (368, 368)), family="cpm", skeleton=LSP_14, mapping="centre", stride=8, sigma_px=21 / 8)
    return [*found, *hrnets, *hourglasses, Subject(cpm, lambda: ConvolutionalPoseMachine(15, stages=6, centre_map=True))]


def _published(name: str, input_hw: tuple[int, int]) -> ModelSpec:
    return ModelSpec(
        name=name, family="hrnet", skeleton=COCO_17, input_hw=input_hw, stride=4, decode="quarter", mapping="stride",
        sigma_px=2.0, weights_sha256="0" * 64, parameters=0, macs=0, source=Source("none", "none", "none"), metrics={},
        variants={},
    )  # fmt: skip


def moved_bytes(spec: ModelSpec, parameters: int, batch: int, way: str) -> int:
    """What must cross the GPU's memory at least: weights, crops, heatmaps and fields, each once."""
    size = {"FP32": 4, "TF32": 4, "FP16": 2, "BF16": 2, "INT8": 1}[way.rpartition(" ")[2]]
    maps = (spec.skeleton.k + (FIELDS if spec.has_affinity_fields else 0)) * spec.heatmap_hw[0] * spec.heatmap_hw[1]
    return parameters * size + batch * (3 * spec.input_hw[0] * spec.input_hw[1] + maps * size)


# --- PyTorch --------------------------------------------------------------------------------------------------


class InPrecision(nn.Module):
    """A network in half precision between FP32 pixels and FP32 heatmaps."""

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = net.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 → (N, K, h, w) float32."""
        maps = self.net(pixels.to(self.dtype, memory_format=torch.channels_last))
        last: Tensor = maps[-1] if isinstance(maps, (list, tuple)) else maps
        return last.float()


def deployed(subject: Subject, device: torch.device, dtype: torch.dtype | None = None) -> nn.Module:
    """The graph that the app runs, on *device*; the network in *dtype* (None: FP32)."""
    net = subject.make().eval()
    deploy = Deploy.of(InPrecision(net, dtype) if dtype is not None else net, subject.spec, IMAGENET_RGB)
    return deploy.to(device).eval()


def run_module(module: Callable[[Tensor], Any], crops: Tensor, device: torch.device) -> Once:
    """One inference of a deployed *module*: *crops* (pinned) up, keypoints down, wait."""

    def once() -> Tensor:
        with torch.inference_mode():
            keypoints: Tensor = module(crops.to(device, non_blocking=True))[0].cpu()
        return keypoints

    return once


def run_captured(module: nn.Module, crops: Tensor, device: torch.device) -> Once:
    """The same with everything between the copies in one captured graph. CUDA only."""
    given = crops.to(device)
    side = torch.cuda.Stream(device)
    with torch.inference_mode():
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(3):  # cuDNN picks its algorithms before the capture
                module(given)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            keypoints = module(given)[0]
    found = torch.empty(keypoints.shape, pin_memory=True)

    def once() -> Tensor:
        with torch.inference_mode():
            given.copy_(crops, non_blocking=True)
            graph.replay()
            found.copy_(keypoints, non_blocking=True)
            torch.cuda.current_stream(device).synchronize()
        return found

    return once


@contextlib.contextmanager
def torch_way(way: str, subject: Subject, batch: int, device: torch.device) -> Iterator[Once]:
    """Ready to run *way*; what it took is freed at the end."""
    crops = torch.from_numpy(made_up_crops(subject.spec, batch))
    crops = crops.pin_memory() if device.type == "cuda" else crops
    if way in (EAGER, ROUNDED):
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=way == ROUNDED):
            yield run_module(deployed(subject, device), crops, device)
    elif way in GRAPHS:
        yield run_captured(deployed(subject, device, GRAPHS[way]), crops, device)
    else:
        torch.compiler.reset()
        compiled = torch.compile(deployed(subject, device, torch.float16), mode="reduce-overhead")
        yield run_module(compiled, crops, device)
    if device.type == "cuda":
        torch.cuda.empty_cache()


def made_up_crops(spec: ModelSpec, batch: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(batch, H, W, 3) uint8 noise."""
    return np.random.default_rng(0).integers(0, 256, (batch, *spec.input_hw, 3), dtype=np.uint8)


# --- TensorRT -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tensorrt_engine(subject: Subject, precision: Precision) -> Iterator[trt.GpuEngine]:
    """The network through TensorRT: the stored model, or one with made-up weights in a folder that is thrown away.

    Made-up weights give heatmaps that are noise, so only stored models are compared with ONNX Runtime.
    """
    reason = trt.unavailable()
    if reason:
        raise EngineError(reason)
    with contextlib.ExitStack() as stack:
        folder = subject.folder
        if folder is None:
            if precision == "int8":
                raise EngineError("made-up weights cannot be calibrated")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poseapp-bench-"))) / subject.spec.name
            write_model(Deploy.of(subject.make(), subject.spec, IMAGENET_RGB), subject.spec, "", folder, fp16=True)
        spec = ModelSpec.read(folder / "model.json")
        engine = trt.TrtEngine(folder, spec, precision, max(BATCHES), checked=subject.folder is not None)
        stack.callback(engine.close)
        yield engine


# --- measuring ------------------------------------------------------------------------------------------------


def measure(once: Once, seconds: float, clock: Callable[[], float] = time.perf_counter) -> tuple[float, float]:
    """p50 and p95 in ms of *once*, run for *seconds* and at least 20 times after a warm-up."""
    for _ in range(WARM_UP_RUNS):
        once()
    times: list[float] = []
    begun = clock()
    while len(times) < 20 or clock() - begun < seconds:
        start = clock()
        once()
        times.append((clock() - start) * 1e3)
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def measure_rates(device: torch.device, side: int = MATRIX_SIDE, nbytes: int = COPY_BYTES, seconds: float = 1.0) -> Rates:
    """What *device* reaches: products of *side*² matrices, and copies of *nbytes* within its memory (read and written)."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def rate(work: Once) -> float:
        for _ in range(3):
            work()
        wait()
        best, begun = math.inf, time.perf_counter()
        while time.perf_counter() - begun < seconds or best == math.inf:
            start = time.perf_counter()
            work()
            wait()
            best = min(best, time.perf_counter() - start)
        return 1 / best

    macs: dict[str, float] = {}
    kinds = {"FP32": torch.float32, "TF32": torch.float32, "FP16": torch.float16, "BF16": torch.bfloat16}
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        for name, dtype in kinds.items():
            if device.type == "cpu" and name != "FP32":
                continue
            torch.backends.cuda.matmul.allow_tf32 = name == "TF32"
            a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
            out = torch.empty(side, side, device=device, dtype=dtype)
            macs[name] = side**3 * rate(functools.partial(torch.matmul, a, b, out=out))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    source = torch.empty(nbytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Rates(macs, 2 * nbytes * rate(lambda: target.copy_(source)))


def run(
    chosen: Sequence[Subject],
    device: torch.device,
    seconds: float,
    ways: Sequence[str] = WAYS,
    batches: Sequence[int] = BATCHES,
    said: Callable[[str], None] = print,
    kept: Callable[[Sequence[Line]], None] = lambda _lines: None,
) -> list[Line]:
    """Measure every way of every network; what fails becomes a line with the reason.

    *said* and *kept* hear of each line at once: a benchmark that is cut off has told what it measured. What torch compiles
    comes last of all, for it takes minutes.
    """
    lines: list[Line] = []
    for last in (False, True):
        for subject in chosen:
            net = subject.make()
            macs, parameters = count_macs(net, subject.spec.input_hw), count_parameters(net)
            for way in (way for way in ways if (way == COMPILED) is last):
                empty = [
                    Line(subject.spec.name, batch, way, macs, moved_bytes(subject.spec, parameters, batch, way))
                    for batch in batches
                ]
                for line in _measured(empty, subject, way, device, seconds):
                    lines.append(line)
                    said(f"{line.network} batch {line.batch} {way}: {line.reason or f'{line.p50_ms:.3f} ms'}")
                    kept(lines)
    return lines


def _measured(empty: Sequence[Line], subject: Subject, way: str, device: torch.device, seconds: float) -> Iterator[Line]:
    if way.startswith("TensorRT"):
        yield from _measured_tensorrt(empty, subject, way, seconds)
        return
    for line in empty:
        try:
            if device.type != "cuda" and way != EAGER:
                raise EngineError("needs an NVIDIA GPU")
            with torch_way(way, subject, line.batch, device) as once:
                p50, p95 = measure(once, seconds)
            yield replace(line, p50_ms=p50, p95_ms=p95)
        except Exception as error:  # whatever one way fails with, the others are measured
            yield replace(line, reason=first_line(error))


def _measured_tensorrt(empty: Sequence[Line], subject: Subject, way: str, seconds: float) -> Iterator[Line]:
    precision: Precision = {"FP32": "fp32", "FP16": "fp16", "INT8": "int8"}[way.rpartition(" ")[2]]  # type: ignore[assignment]
    done: list[Line] = []
    try:
        with tensorrt_engine(subject, precision) as engine:
            for line in empty:
                crops = made_up_crops(subject.spec, line.batch)
                p50, p95 = measure(lambda crops=crops: engine.infer(crops), seconds)  # type: ignore[misc]
                done.append(replace(line, p50_ms=p50, p95_ms=p95))
    except Exception as error:
        done += [replace(line, reason=first_line(error)) for line in empty[len(done) :]]
    yield from done


# --- the report -----------------------------------------------------------------------------------------------


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
    runtime = build.tensorrt() if isinstance(gpu, driver.Gpu) else None
    return {
        "GPU": f"{gpu.name}, compute capability {gpu.compute[0]}.{gpu.compute[1]}" if isinstance(gpu, driver.Gpu) else gpu,
        "driver": gpu.driver if isinstance(gpu, driver.Gpu) else "–",
        "PyTorch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}, cuDNN {torch.backends.cudnn.version() or 'none'}",
        "TensorRT": build.runtime_name(runtime) if runtime is not None else "not loaded",
        "CPU": f"{machine()['cpu']}, {machine()['system']}",
    }


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


def main(
    gpu: Annotated[bool, typer.Option("--gpu", help="Needed: the pipeline's benchmark is `poseapp bench`.")] = False,
    seconds: Annotated[float, typer.Option(help="Time measured for each line.", min=0.1)] = 2.0,
    network: Annotated[list[str] | None, typer.Option("--network", help="Only these.", show_default="all")] = None,
    no_compile: Annotated[bool, typer.Option("--no-compile", help="Leave out torch.compile, which takes minutes.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file too, and the figures beside it.")] = None,
    engines_dir: Annotated[Path, typer.Option("--engines-dir", help="The model store.")] = default_engines_dir(),  # noqa: B008
) -> None:
    """Measure networks on this machine's NVIDIA GPU with PyTorch and TensorRT; prints a Markdown report."""
    known = subjects(engines_dir)
    names = [subject.spec.name for subject in known]
    wrong = sorted(set(network or ()) - set(names))
    if not gpu or wrong:
        raise typer.BadParameter(f"--network: expected some of {', '.join(names)}." if wrong else "say --gpu.")
    reason = unavailable()
    if reason:
        typer.echo(f"The GPU benchmark cannot run here: {reason}", err=True)
        raise typer.Exit(1)
    device = torch.device("cuda", 0)
    torch.backends.cudnn.benchmark = True
    rates = measure_rates(device)
    chosen = [subject for subject in known if not network or subject.spec.name in network]
    ways = [way for way in WAYS if not (no_compile and way == COMPILED)]
    kept = functools.partial(_write, out, rates) if out is not None else lambda _lines: None
    lines = run(chosen, device, seconds, ways, said=lambda text: typer.echo(text, err=True), kept=kept)
    typer.echo(report(lines, rates))


def _write(out: Path, rates: Rates, lines: Sequence[Line]) -> None:
    """The report and its figures, as far as they are measured."""
    figures = {"versions": versions(), "rates": asdict(rates), "lines": [_known(line) for line in lines]}
    try:
        out.write_text(report(lines, rates) + "\n", encoding="utf-8")
        out.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PoseAppError(f"{out}: cannot be written ({error.strerror}). Choose another file.") from None


def _known(line: Line) -> dict[str, Any]:
    """The line's figures; JSON has no NaN."""
    return {name: value for name, value in asdict(line).items() if not (isinstance(value, float) and math.isnan(value))}


def unavailable() -> str:
    """Why nothing can be measured here, in one line; "" when something can."""
    gpu = driver.find_gpu()
    if isinstance(gpu, str):
        return f"{gpu}."
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} has no CUDA. Install a build with CUDA as pytorch.org says."
    return ""


def entry() -> None:
    """The command: an error of the app is one line."""
    try:
        typer.run(main)
    except PoseAppError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    entry()
