"""`python main.py` is the `poseapp` command, from any folder."""

import sys

try:
    from poseapp.cli.main import entry
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] == "poseapp":
        raise
    sys.exit(f"poseapp: the package {error.name} is missing. Run: {sys.executable} -m pip install -e {sys.path[0]}")

if __name__ == "__main__":
    entry()
