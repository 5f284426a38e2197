"""Runs MediaPipe's full pose model in a Python of its own, where nothing of poseapp is installed; see against_mediapipe.py.

Its argument is a .npy file of pictures (N, H, W, 3) RGB, which are played again and again. The script prints {"version": …} or
{"error": …}. Then, for each line with a number of frames on standard input, it prints {"ms": one number a frame, "cpu_ms": of all
frames together, "found": the number of frames with somebody in them}.
"""

import json
import os
import sys
import time


def main() -> None:
    """See the top of the file."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library's own prints go to standard error
    try:
        import mediapipe
        import numpy as np

        pose = mediapipe.solutions.pose.Pose(model_complexity=1)  # 1: full
        version = mediapipe.__version__
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side reports it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=out, flush=True)
        return
    print(json.dumps({"version": version}), file=out, flush=True)
    n = 0
    for line in sys.stdin:
        pictures = np.load(sys.argv[1], mmap_mode="r")
        ms, cpu_ms, found = [], 0.0, 0
        for _ in range(int(line)):
            picture = np.array(pictures[n % len(pictures)])
            start, cpu = time.perf_counter(), time.process_time()
            found += pose.process(picture).pose_landmarks is not None
            ms.append((time.perf_counter() - start) * 1e3)
            cpu_ms += (time.process_time() - cpu) * 1e3
            n += 1
        print(json.dumps({"ms": ms, "cpu_ms": cpu_ms, "found": found}), file=out, flush=True)


if __name__ == "__main__":
    main()
