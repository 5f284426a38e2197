"""The command ``python -m poseapp.bench``; each benchmark imports only what it measures.

The pipeline's benchmark is ``poseapp bench``. Here are tracking and smoothing, a frame's stages alone, and the networks alone,
which need PyTorch and a GPU, on machines that have neither a camera nor a screen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark that *arguments* name."""
    if arguments == ["--tracking"]:
        from poseapp.bench.tracking import report

        print(report())
    elif arguments == ["--stages"]:
        from poseapp import resources
        from poseapp.bench import stages as bench_stages

        print(bench_stages.report(resources.asset("demo.mp4")))
    else:
        from poseapp.bench.gpu import entry

        entry()


if __name__ == "__main__":
    main(sys.argv[1:])
