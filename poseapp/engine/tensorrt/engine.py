"""TensorRT: the engine for NVIDIA GPUs."""

from __future__ import annotations

import contextlib
from pathlib import Path

from poseapp.core.errors import EngineError, ModelError, PoseAppError
from poseapp.core.spec import ModelSpec, Precision
from poseapp.engine import cuda, driver
from poseapp.engine.base import Backend, Progress, foreign_errors
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.cuda import Device, Layer
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.tensorrt import library
from poseapp.engine.tensorrt.builder import ensure_plan
from poseapp.engine.tensorrt.gpu_engine import GpuEngine
from poseapp.engine.tensorrt.network import TrtNetwork
from poseapp.engine.tensorrt.plans import MAX_BATCH, Plan, PlanRequest, is_fresh, precision_for, record_verified, reject


def unavailable() -> str:
    """Why TensorRT cannot run here, in one line with what to do; "" when it can. Nothing is loaded without a driver."""
    gpu = driver.find_gpu()
    if isinstance(gpu, str):
        return f"TensorRT: {gpu}.{'' if driver.has_gpu() else ' It needs an NVIDIA GPU and its driver.'}"
    if library.tensorrt() is None:
        return f"TensorRT: not installed. {library.INSTALL}."
    missing = cuda.unavailable()
    if missing:
        return f"TensorRT: {missing}"
    return library.unserved_because(gpu)  # before a plan is built, which takes minutes


def version() -> str:
    """See BackendModule."""
    return library.runtime_name(library.tensorrt())


def builds_first(folder: Path, spec: ModelSpec, precision: str) -> bool:
    """See BackendModule: without a fresh plan it takes seconds to minutes."""
    try:
        return not is_fresh(folder, spec, _offered(spec, precision)[0])
    except ModelError:
        return False  # loading says what is wrong


def open_engine(folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> TrtEngine:
    """See BackendModule. A precision that the installed TensorRT does not run is replaced, and ``backend.fallback`` says why."""
    offered, reason = _offered(spec, precision)
    engine = TrtEngine(folder, spec, offered, progress=progress)
    if reason:
        engine.note_fallback(reason)
    return engine


def _offered(spec: ModelSpec, requested: str) -> tuple[Precision, str]:
    """The precision to run for *requested*, and why it is another one, or ""."""
    precision = precision_for(spec, requested)
    reason = library.not_offered_because(precision)
    return (precision_for(spec) if reason else precision), reason


class TrtEngine(GpuEngine):
    """A model of the store in TensorRT, from its plan; the plan is built first when there is no good one.

    Building is reported to *progress*, and takes seconds (TensorRT for RTX) to minutes. A new plan is compared with ONNX Runtime
    on the stored crops, and rejected, with the figures, when it differs by more than ``comparator.TOLERANCE_PX``.
    ``plan.built_because`` says why the plan was built, "" when it was there. *layer* picks PyCUDA or cuda-python, *rebuild*
    builds in any case, *checked* False leaves out the comparison. Raises EngineError where TensorRT cannot run
    (``unavailable``) and when anything here fails.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        precision: Precision = "fp16",
        batch: int = MAX_BATCH,
        progress: Progress | None = None,
        *,
        layer: Layer | None = None,
        rebuild: bool = False,
        checked: bool = True,
    ) -> None:
        reason = unavailable() or library.not_offered_because(precision)
        if reason:
            raise EngineError(reason)
        gpu = driver.find_gpu()
        assert isinstance(gpu, driver.Gpu), "unavailable() says so"
        heard = progress or (lambda _text, _share: True)
        request = PlanRequest(folder, spec, precision, batch, gpu)
        with driver.loading(str(request), heard), foreign_errors(f"{spec.name}: TensorRT", library.last_word):
            self.plan = self._open(request, heard, layer, rebuild)
            self.difference_px = self.plan.info.difference_px
            if checked and self.difference_px is None:
                self.difference_px = self._verified(folder, heard)
        heard(f"{request} is ready", 1.0)

    def _open(self, request: PlanRequest, progress: Progress, layer: Layer | None, rebuild: bool) -> Plan:
        """Load the plan, which is returned, and allocate what it needs."""
        spec = request.spec
        with contextlib.ExitStack() as undo:
            device = cuda.open_device(layer)
            undo.callback(device.close)
            with device:
                network = TrtNetwork(spec.name, device.buffer)
                undo.callback(_closed_within, device, network)
                plan = ensure_plan(request, progress, accepts=network.load, rebuild=rebuild)
                network.use(plan)
            undo.pop_all()  # from here on the engine closes them
        backend = Backend(plan.info.key.runtime, request.gpu.name, request.precision.upper())
        super().__init__(spec, device, network, backend, request.batch)
        return plan

    def _verified(self, folder: Path, progress: Progress) -> float:
        try:
            return verify(self, folder, self.plan, progress)
        except BaseException:
            self.close()
            raise


def _closed_within(device: Device, network: TrtNetwork) -> None:
    with contextlib.suppress(PoseAppError), device:
        network.close()


def verify(engine: GpuEngine, folder: Path, plan: Plan, progress: Progress) -> float:
    """How far *engine*, which runs *plan*, is from ONNX Runtime on the stored crops, in px; also written beside the plan.

    A plan that is too far away is rejected, and EngineError says by how much.
    """
    spec, precision = engine.spec, engine.backend.precision
    if not progress(f"checking {spec.name} {precision} against ONNX Runtime", 1.0):
        raise EngineError(f"{spec.name} {precision}: building cancelled.")
    crops = sample_crops(spec.input_hw)
    reference = OrtEngine(ModelFolder(folder).file(), spec)
    try:
        difference = difference_px(engine, reference, crops)
    finally:
        reference.close()
    reason = rejected_because(spec.name, precision, difference, len(crops))
    if reason:
        reject(plan, reason)
        raise EngineError(reason)
    record_verified(plan, difference)
    return difference


def rejected_because(name: str, precision: str, difference_px: float, crops: int) -> str:
    """Why a plan that is *difference_px* off must not run, with the figures; "" when it may."""
    limit = TOLERANCE_PX[precision]
    if difference_px <= limit:  # a difference that is no number is not
        return ""
    return (
        f"{name} {precision}: rejected: its joints are {difference_px:.2f} px from ONNX Runtime's (mean over {crops} crops), "
        f"the limit is {limit} px. Use another precision, or the CPU."
    )
