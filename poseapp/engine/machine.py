"""The machine: processor, instruction sets and cores, for reports and for the keys of timings."""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import psutil

_VECTORS = re.compile(r"[*?]?(sse4|avx|amx|fma|asimd|sve|i8mm|neon|vsx|lasx)", re.IGNORECASE)


def machine() -> dict[str, str]:
    """Processor, cores that this process may use, memory and system, as a report names them."""
    return {
        "cpu": cpu_name() or "unknown CPU",
        "cores": str(available_cores()),
        "memory_gb": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "system": f"{platform.system()} {platform.release()}",
    }


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_threads() -> int:
    """The most threads for a network: the cores that this process may use, at most 8. A small network gains nothing from more."""
    return min(8, available_cores())


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def instruction_sets() -> str:
    """The processor's vector instructions, and those that oneDNN is limited to.

    They decide how INT8 rounds and how fast it is. The processor's name is not enough: virtual machines use one name for
    processors with and without them.
    """
    every = _cpuinfo("flags") or _cpuinfo("Features") or cv2.getCPUFeaturesLine()
    held_to = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA", "")
    return " ".join([*sorted(word for word in every.split() if _VECTORS.match(word)), held_to]).strip()


def _cpuinfo(key: str) -> str:
    """What Linux says of the first processor's *key*; "" elsewhere."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, StopIteration):
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            return next(value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == key)
    return ""
