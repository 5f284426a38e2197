"""The command ``python -m poseapp.bench``: benchmarks for a machine without the packages of the command line.

``poseapp bench`` has these and all the others. Each benchmark imports only what it measures: ``gpu`` needs neither typer nor the
packages for cameras, video and windows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from poseapp.core.errors import PoseAppError

USAGE = "python -m poseapp.bench: expected gpu, tracking or stages. All the others are sub-commands of: poseapp bench"


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark that *arguments* name; returns the exit status."""
    words = [word.removeprefix("--") if word in OLD else word for word in arguments]
    if "gpu" in words:
        from poseapp.bench.gpu import command

        words.remove("gpu")
        return command.main(words)
    if words == ["tracking"]:
        from poseapp.bench import tracking

        print(tracking.report())
    elif words == ["stages"]:
        from poseapp import resources
        from poseapp.bench import stages

        print(stages.report(resources.asset("demo.mp4")))
    else:
        print(USAGE, file=sys.stderr)
        return 2
    return 0


OLD = ("--gpu", "--tracking", "--stages")  # as they were called before

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PoseAppError as error:
        sys.exit(str(error))
