"""Everything that a Device can do, once, on the strict driver: ``python device.py LAYER [forget]`` prints one JSON line."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from typing import Any, cast

import numpy as np

from poseapp.core.errors import EngineError
from poseapp.engine.cuda import Device, Layer, installed_layers, open_device, unavailable
from poseapp.engine.driver import find_gpu


def main(layer: str) -> dict[str, Any]:
    """What came of each step, by name."""
    driver = ctypes.CDLL("libcuda.so.1")
    driver.strict_held.restype = driver.strict_log.restype = ctypes.c_char_p
    told: dict[str, Any] = {"gpu": str(find_gpu()), "unavailable": unavailable(), "layers": list(installed_layers())}
    if unavailable():
        return told
    device = open_device(cast("Layer", layer))
    told["layer"] = device.layer
    with device:
        told.update(_work(device, driver))
    device.close()
    device.close()
    told["held"], told["broken"] = driver.strict_held().decode(), driver.strict_log().decode()
    return told


def _work(device: Device, driver: ctypes.CDLL) -> dict[str, Any]:
    told: dict[str, Any] = {}
    stream = device.stream()
    event = device.event(stream)
    up, down = device.pinned((2, 3), np.uint8), device.pinned((2, 3), np.uint8)
    maps = device.pinned((4,), np.float32)
    maps[:] = 0.5
    address = device.buffer(6)
    up[:], down[:] = [[1, 2, 3], [4, 5, 6]], 0
    device.upload(address, up, stream)
    device.download(down, address, stream)
    event.record()
    event.wait()
    stream.wait()
    told["copied"] = down.tolist()
    told["floats"] = maps.tolist()

    def there_and_back() -> None:
        device.upload(address, up[:1], stream)
        device.download(down[:1], address, stream)

    up[:], down[:] = 9, 0
    graph = device.capture(stream, there_and_back)
    told["captured"] = down.tolist()
    graph.launch()
    stream.wait()
    told["replayed"] = down.tolist()
    up[0] = 8
    graph.launch()
    stream.wait()
    told["replayed again"] = down[0].tolist()

    def fails() -> None:
        device.upload(address, up, stream)
        raise EngineError("TensorRT failed.")

    told["failed capture"] = _error(lambda: device.capture(stream, fails))
    stream.wait()  # it is no longer being captured
    driver.strict_lose(719)
    told["failed launch"] = _error(graph.launch)
    driver.strict_lose(0)
    told["out of memory"] = _error(lambda: device.buffer(2**31))
    told["memory"] = device.free_memory()
    told["allocations"] = device.allocations
    return told


def _error(action: Any) -> str:
    try:
        action()
    except EngineError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def reset(layer: str) -> dict[str, Any]:
    """Leave everything as it is when the process ends, on this thread and on one that ended before."""
    kept: list[Any] = []

    def use() -> None:
        device = open_device(cast("Layer", layer))
        with device:
            stream = device.stream()
            up, address = device.pinned((8,), np.uint8), device.buffer(8)
            graph = device.capture(stream, lambda: device.upload(address, up, stream))
            graph.launch()
            kept.extend([device, stream, up, graph, device.event(stream)])

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    use()
    globals()["kept"] = kept
    return {"kept": len(kept)}


if __name__ == "__main__":
    print(json.dumps((reset if sys.argv[2:] == ["forget"] else main)(sys.argv[1])))
