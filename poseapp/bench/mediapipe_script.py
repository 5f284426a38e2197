"""Runs MediaPipe's full pose model in a Python of its own, where nothing of poseapp is installed; see bench_mediapipe.py.

Called with a .npy file of pictures (N, H, W, 3) RGB. Says on standard output {"version": …} or {"error": …}, and then, for each
line with a number of frames on standard input, {"ms": […], "cpu_ms": of all together, "found": in how many somebody was}.
"""

import json
import os
import sys
import time


def to_and_fro(n: int, count: int) -> int:
    """The picture to show as the *n*-th, of *count* played to and fro."""
    n %= 2 * count - 2
    return min(n, 2 * count - 2 - n)


def main() -> None:
    """See the top of the file."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints goes elsewhere
    try:
        import mediapipe
        import numpy as np

        pose = mediapipe.solutions.pose.Pose(model_complexity=1)  # 1: full
        version = mediapipe.__version__
    except Exception as error:  # whatever it is, the other side says it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=out, flush=True)
        return
    print(json.dumps({"version": version}), file=out, flush=True)
    n = 0
    for line in sys.stdin:
        pictures = np.load(sys.argv[1], mmap_mode="r")
        ms, cpu_ms, found = [], 0.0, 0
        for _ in range(int(line)):
            picture = np.array(pictures[to_and_fro(n, len(pictures))])
            start, cpu = time.perf_counter(), time.process_time()
            found += pose.process(picture).pose_landmarks is not None
            ms.append((time.perf_counter() - start) * 1e3)
            cpu_ms += (time.process_time() - cpu) * 1e3
            n += 1
        print(json.dumps({"ms": ms, "cpu_ms": cpu_ms, "found": found}), file=out, flush=True)


if __name__ == "__main__":
    main()
