"""A TensorRT made of ONNX Runtime on strict_driver.c: the API's rules are enforced, joints are real. FAKE_TRT_OLD_DRIVER=1 behaves
as TensorRT does with a driver that is too old (create* returns nullptr, pybind11 raises TypeError). FAKE_TRT_REFUSE=1: deserialize None."""

import ctypes, enum, gc, io, json, os, threading, time, weakref
import numpy as np, onnx, onnxruntime

__version__ = os.environ.get("FAKE_TRT_VERSION", "11.4.0.106")
_d = ctypes.CDLL("libcuda.so.1")
_P = ctypes.c_void_p
_log = []


def note(t):
    if t not in _log:
        _log.append(t)


def strict_log():
    return list(_log)


def _ctx(what):
    c = _P()
    _d.cuCtxGetCurrent(ctypes.byref(c))
    if not c.value:
        note(f"NO CONTEXT {what} without a current context (the CUDA runtime would take the primary one)")
    return bool(c.value)


float32, uint8 = "DataType.FLOAT", "DataType.UINT8"


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def __init__(self):
        self._init = True


_global_logger = None
_objects = weakref.WeakSet()


def _register(logger, what):
    global _global_logger
    assert getattr(logger, "_init", False), "ILogger.__init__ was not called"
    if not len(_objects):
        _global_logger = weakref.ref(logger)
    elif _global_logger() is None:
        note(
            "DANGLING the process-wide logger is freed while TensorRT objects live (ILogger: 'should be valid until all objects created are released')"
        )
    elif _global_logger() is not logger:
        logger.log(
            Severity.WARNING, f"The logger passed into {what} differs from one already registered; the existing one is used"
        )
    if os.environ.get("FAKE_TRT_OLD_DRIVER"):
        logger.log(Severity.ERROR, "CUDA initialization failure with error: 35. Please check your CUDA installation")
        raise TypeError("pybind11::init(): factory function returned nullptr")


_kernels = weakref.WeakValueDictionary()
_HOST = ctypes.CFUNCTYPE(None, _P)
_ALIVE = ctypes.CFUNCTYPE(ctypes.c_int, _P)


def _run_kernel(key):
    c = _kernels.get(key)
    if c is None:
        note("VIOLATION a kernel of a freed context is run")
        return
    try:
        c._compute()
    except Exception as e:
        note(f"VIOLATION kernel: {type(e).__name__}: {e}")


_host = _HOST(_run_kernel)
_alive = _ALIVE(lambda key: int(_kernels.get(key) is not None))
_d.strict_kernel_alive(_alive)


class Runtime:
    def __init__(self, logger):
        _register(logger, "createInferRuntime")
        self.logger = logger
        _objects.add(self)

    def deserialize_cuda_engine(self, blob):
        _ctx("deserialize_cuda_engine")
        if os.environ.get("FAKE_TRT_REFUSE"):
            self.logger.log(Severity.ERROR, "Error Code 1: Serialization")
            return None
        try:
            head, body = bytes(blob).split(b"\0", 1)
            meta = json.loads(head)
        except ValueError:
            self.logger.log(
                Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization assertion magicTag failed"
            )
            return None
        if meta["version"] != __version__:
            self.logger.log(Severity.ERROR, "engine of another version")
            return None
        a = ctypes.c_uint64()
        if _d.cuMemAlloc_v2(ctypes.byref(a), ctypes.c_size_t(max(1, len(body)))):
            self.logger.log(
                Severity.ERROR,
                os.environ.get("FAKE_TRT_OOM", "[executionContext.cpp] Error Code 2: OutOfMemory (Requested size was too large)"),
            )
            return None
        return ICudaEngine(self, meta, body, a.value)


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = 0
    USER_MANAGED = 2


class IRuntimeConfig:
    strategy = None
    cuda_graph_strategy = None

    def set_execution_context_allocation_strategy(self, strategy):
        self.strategy = strategy

    def create_runtime_cache(self):
        return None


if os.environ.get("FAKE_TRT_RTX"):  # what TensorRT for RTX has beside

    class DynamicShapesKernelSpecializationStrategy(enum.Enum):
        EAGER = 1

    class CudaGraphStrategy(enum.Enum):
        WHOLE_GRAPH_CAPTURE = 1


class ICudaEngine:
    def __init__(self, rt, meta, body, weights):
        self.rt, self.weights, self.profiles = rt, weights, meta["profiles"]
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = 1
        o.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(body, o, providers=["CPUExecutionProvider"])
        g = onnx.load_model_from_string(body).graph
        dims = lambda v: [d.dim_value or -1 for d in v.type.tensor_type.shape.dim]
        self.io = {v.name: [dims(v), "in" if v in list(g.input) else "out"] for v in [*g.input, *g.output]}
        probe = self.session.run(None, {"crops": np.zeros((1, *self.io["crops"][0][1:]), np.uint8)})
        for o_, p in zip(self.session.get_outputs(), probe):
            self.io[o_.name][0] = [-1, *p.shape[1:]]
        self.num_io_tensors = len(self.io)
        self.num_optimization_profiles = len(self.profiles)
        self.alive = True
        self.contexts = 0
        _objects.add(self)

    def get_tensor_name(self, i):
        return list(self.io)[i]

    def get_tensor_dtype(self, n):
        return uint8 if n == "crops" else float32

    def get_tensor_shape(self, n):
        return tuple(self.io[n][0])

    @property
    def device_memory_size_v2(self):
        largest = max(p[2] for p in self.profiles)
        return largest * 4 * int(np.prod(self.io["heatmaps"][0][1:])) * 4

    def create_runtime_config(self):
        return IRuntimeConfig()

    def create_execution_context(self, how=None):
        _ctx("create_execution_context")
        strategy = how.strategy if isinstance(how, IRuntimeConfig) else how
        size = self.device_memory_size_v2
        if strategy is ExecutionContextAllocationStrategy.USER_MANAGED:
            return IExecutionContext(self, 0, size, own_graphs=getattr(how, "cuda_graph_strategy", None))
        m = ctypes.c_uint64()
        r = _d.cuMemAlloc_v2(ctypes.byref(m), ctypes.c_size_t(size))
        if r:
            self.rt.logger.log(Severity.ERROR, "[defaultAllocator] Error Code 1: Cuda Runtime (out of memory)")
            return None
        return IExecutionContext(self, m.value, size)

    def __del__(self):
        if self.contexts:
            note(f"ORDER an engine is freed with {self.contexts} contexts alive")
        _ctx("freeing an engine")
        _d.cuMemFree_v2(ctypes.c_uint64(self.weights))


class IExecutionContext:
    def __init__(self, engine, memory, size, own_graphs=None):
        self.own_graphs = own_graphs
        self.owns = memory != 0
        self.engine, self.memory, self.size = engine, memory, size
        engine.contexts += 1
        self.profile = 0
        self.shape = None
        self.at = {}
        self.ran = None
        self.dead = False
        self.key = id(self)
        _kernels[self.key] = self
        self.thread = threading.get_ident()
        _objects.add(self)

    def set_optimization_profile_async(self, i, stream):
        if not isinstance(stream, int):
            raise TypeError("incompatible function arguments")
        if not 0 <= i < len(self.engine.profiles):
            return False
        if i != self.profile:
            self.shape = None
            self.ran = None
        self.profile = i
        return True

    def set_device_memory(self, address, size):
        if self.owns:
            note("VIOLATION set_device_memory of a context that allocated its own")
        if size < self.size or address % 256:
            note(f"VIOLATION set_device_memory: {size} bytes at {address:#x}, {self.size} aligned to 256 are needed")
        self.memory = address

    def is_stream_capturable(self, stream):
        return not os.environ.get("FAKE_TRT_UNCAPTURABLE") and self.own_graphs is None

    def set_input_shape(self, name, shape):
        lo, _, hi = self.engine.profiles[self.profile]
        if name != "crops" or not lo <= shape[0] <= hi or list(shape[1:]) != self.engine.io["crops"][0][1:]:
            self.engine.rt.logger.log(
                Severity.ERROR, f"IExecutionContext::setInputShape: {shape} is outside of profile {self.profile}"
            )
            return False
        if self.shape != tuple(shape):
            self.ran = None
        self.shape = tuple(shape)
        return True

    def set_tensor_address(self, name, address):
        if address % 256 and name != "crops":
            note(f"NOTE {name} at an address not aligned to 256")
        self.at[name] = int(address)
        return name in self.engine.io

    def execute_async_v3(self, stream):
        log = self.engine.rt.logger.log
        if not isinstance(stream, int):
            raise TypeError("incompatible function arguments")
        if stream == 0:
            note("NOTE execute_async_v3 on the default stream")
        if self.thread != threading.get_ident():
            note("NOTE a context is used on another thread than the one that made it")
        if not self.memory:
            note("VIOLATION execute_async_v3 without device memory")
        if self.shape is None or set(self.at) != set(self.engine.io):
            log(Severity.ERROR, "Error Code 3: API Usage Error (not all shapes or addresses are set)")
            return False
        capturing = ctypes.c_int()
        _d.cuStreamIsCapturing(_P(stream), ctypes.byref(capturing))
        if self.ran != self.shape:  # deferred work of the first enqueue after a change of shape
            if capturing.value:
                note("VIOLATION the first enqueue after a change of shape is captured: call it once before")
            self.ran = self.shape
        r = _d.cuLaunchHostFunc(_P(stream), _host, _P(self.key))
        if r:
            log(Severity.ERROR, f"Error Code 1: Cuda Runtime ({r})")
            return False
        return True

    def _compute(self):
        if self.dead:
            note("VIOLATION a kernel runs after its context was freed")
            return
        n = int(np.prod(self.shape))
        crops = np.ctypeslib.as_array((ctypes.c_uint8 * n).from_address(self.at["crops"])).reshape(self.shape).copy()
        for o, v in zip(self.engine.session.get_outputs(), self.engine.session.run(None, {"crops": crops})):
            v = np.ascontiguousarray(v, np.float32)
            ctypes.memmove(self.at[o.name], v.ctypes.data, v.nbytes)

    def __del__(self):
        self.dead = True
        self.engine.contexts -= 1
        _ctx("freeing an execution context")
        if self.owns:
            _d.cuMemFree_v2(ctypes.c_uint64(self.memory))


# --- the builder
class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.Enum):
    TF32 = 1


class IProgressMonitor:
    def __init__(self):
        pass


class _T:
    def __init__(s, n, sh, d):
        s.name, s.shape, s.dtype = n, sh, d


class _Net:
    pass


class OnnxParser:
    def __init__(self, net, logger):
        self.net, self.num_errors = net, 0

    def parse(self, blob):
        g = onnx.load_model_from_string(blob).graph
        self.net.blob = blob
        s = lambda v: tuple(d.dim_value or -1 for d in v.type.tensor_type.shape.dim)
        i = [_T(v.name, s(v), uint8) for v in g.input]
        o = [_T(v.name, s(v), float32) for v in g.output]
        self.net.num_inputs, self.net.num_outputs, self.net.get_input, self.net.get_output = (
            len(i),
            len(o),
            i.__getitem__,
            o.__getitem__,
        )
        return True


class _Profile:
    def set_shape(self, n, lo, opt, hi):
        self.range = (lo[0], opt[0], hi[0])


class _Timings:
    """A word for each build that added to it."""

    def __init__(s, content):
        s.content = content or b"timings"

    def serialize(s):
        return s.content


class _Config:
    def __init__(s):
        s.timings = None
        s.profiles = []
        s.progress_monitor = None

    def clear_flag(s, f):
        pass

    def create_timing_cache(s, content):
        return _Timings(content) if content in (b"", None) or content.startswith(b"timings") else None

    def set_timing_cache(s, cache, ignore_mismatch):
        s.timings = cache
        return True

    def get_timing_cache(s):
        return s.timings

    def add_optimization_profile(s, p):
        s.profiles.append(p.range)
        return len(s.profiles) - 1


class Builder:
    def __init__(self, logger):
        _register(logger, "createInferBuilder")
        self.logger = logger
        _objects.add(self)
        _ctx("createInferBuilder")

    def create_network(self, f):
        return _Net()

    def create_builder_config(self):
        return _Config()

    def create_optimization_profile(self):
        return _Profile()

    def build_serialized_network(self, net, config):
        _ctx("build_serialized_network")
        m = config.progress_monitor
        ok = [True]

        def work():  # TensorRT calls from threads of its own
            m.phase_start("Building", None, 10)
            for i in range(10):
                time.sleep(float(os.environ.get("FAKE_TRT_STEP_S", "0.01")))
                if not m.step_complete("Building", i):
                    ok[0] = False
                    break
            m.phase_finish("Building")

        t = threading.Thread(target=work)
        t.start()
        t.join()
        if config.timings is not None:
            config.timings.content += b" built"
        return json.dumps({"version": __version__, "profiles": config.profiles}).encode() + b"\0" + net.blob if ok[0] else None
