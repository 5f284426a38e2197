"""Damaged files of every kind, by the thousand: ``python tests/fuzz/fuzz.py labels --count 10000``; --help tells the rest.

Each input must be read, or be refused in one clear line, within ten seconds and 2 GB. Every kind runs in a process of its own,
which is watched: one that dies or hangs is counted and the next input goes on in another.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import psutil

HERE = Path(__file__).resolve().parent
for place in (HERE.parents[1], HERE, HERE.parent, HERE.parent / "train", HERE.parent / "convert"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

LONGEST_S = 10.0
MOST_MIB = 2048


@dataclass
class Result:
    """How many inputs were read, and how many refused in one line; each fault by the number of its input."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[int, str] = field(default_factory=dict)
    peak_mib: float = 0.0
    slowest_s: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self.counts.most_common())
        return f"{counts}; slowest {self.slowest_s:.2f} s of CPU, {self.peak_mib:.0f} MiB at most"


def try_out(kind: str, numbers: range, seed: int, result: Result, done: Any = lambda number: None) -> Result:
    """Try the inputs *numbers* of *kind* in this process. *done* hears the number of each input before it is tried."""
    from kinds import KINDS, tell

    from poseapp.core.errors import PoseAppError

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # as the command line does
    logging.disable(logging.CRITICAL)
    before_mib, held_mib = _peak_mib(), psutil.Process().memory_info().rss / 2**20
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        trial = KINDS[kind](Path(folder))
        warnings.simplefilter("error")
        for number in numbers:
            done(number)
            begun = time.process_time()  # the machine may be busy with something else
            try:
                trial(random.Random(f"{kind} {seed} {number}"))
                what, fault = "read", ""
            except PoseAppError as error:
                what, fault = "refused", tell(error)
            except Exception as error:  # each of these is what is looked for
                where = traceback.extract_tb(error.__traceback__)[-1]
                what, fault = "", f"{type(error).__name__}: {str(error)[:150]} ({Path(where.filename).name}:{where.lineno})"
            took = time.process_time() - begun
            result.slowest_s = max(result.slowest_s, took)
            fault = fault or (f"took {took:.0f} s" if took > LONGEST_S else "")
            result.counts["faults" if fault else what] += 1
            if fault:
                result.faults[number] = fault
    logging.disable(logging.NOTSET)
    if _peak_mib() > before_mib:  # or else it took less than what was in this process before
        result.peak_mib = max(result.peak_mib, _peak_mib() - held_mib)
    if result.peak_mib > MOST_MIB:
        result.faults[-1] = f"{result.peak_mib:.0f} MiB"
    return result


def _peak_mib() -> float:
    """The most memory that this process had. Linux's getrusage also counts what its parent had when it started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _child(kind: str, numbers: range, seed: int, at: Any, pipe: Any) -> None:
    def done(number: int) -> None:
        at.value = number
        pipe.send(result) if number % 50 == 0 else None

    result = Result()
    pipe.send(try_out(kind, numbers, seed, result, done))
    pipe.send(None)


def watch(kind: str, count: int, seed: int) -> Result:
    """Try *count* inputs of *kind* in processes that may die or hang."""
    context = multiprocessing.get_context("spawn")
    total, begin = Result(), 0
    while begin < count:
        at = context.Value("q", -1)
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(kind, range(begin, count), seed, at, theirs), daemon=True)
        process.start()
        theirs.close()
        latest, ended, last, since = Result(), False, -1, 0.0
        while not ended:
            try:
                if ours.poll(0.5):
                    got = ours.recv()
                    ended, latest = got is None, got or latest
            except EOFError:
                break
            if at.value != last:
                last, since = at.value, _cpu_s(process.pid)
            elif last >= 0 and _cpu_s(process.pid) - since > 3 * LONGEST_S:
                break
        if not ended:
            hung = process.is_alive()
            process.kill()
        process.join()
        _add(total, latest)
        begin = count
        if not ended:
            number = int(at.value)
            if number < 0:
                raise RuntimeError(f"{kind}: nothing could be tried")
            total.counts["faults"] += 1
            total.faults[number] = "it hangs" if hung else f"the process died ({process.exitcode})"
            begin = number + 1
    return total


def _cpu_s(pid: int | None) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:  # it has just ended
        return 0.0
    return float(times.user + times.system)


def _add(total: Result, part: Result) -> None:
    total.counts.update(part.counts)
    total.faults.update(part.faults)
    total.peak_mib, total.slowest_s = max(total.peak_mib, part.peak_mib), max(total.slowest_s, part.slowest_s)


def main() -> int:
    """The command line; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="what to damage; all of them where none is named")
    parser.add_argument("--count", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="try this one input alone, in this process, with its traceback")
    options = parser.parse_args()
    from kinds import KINDS

    if options.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            for kind in options.kinds:
                KINDS[kind](Path(folder))(random.Random(f"{kind} {options.seed} {options.only}"))
        return 0
    faults = 0
    for kind in options.kinds or KINDS:
        result = watch(kind, options.count, options.seed)
        print(f"{kind}: {result}", flush=True)
        faults += len(result.faults)
        shown: Counter[str] = Counter()
        for number, fault in result.faults.items():
            shown[fault[:40]] += 1
            if shown[fault[:40]] <= 3:
                print(f"    {number}: {fault}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
