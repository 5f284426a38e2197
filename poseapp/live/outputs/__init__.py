"""Outputs: live poses for other programs, a file each protocol, one line each in the table OUTPUTS of ``parse.py``.

``base.py`` says what an output is. Each one runs on a thread of its own (``runner.py``) with the newest frame and no queue, so a
receiver that is slow, gone or comes later delays nobody.
"""

from poseapp.live.outputs.base import Output, OutputAddress, OutputSettings, OutputSetup, RemoteCommand
from poseapp.live.outputs.outputs import Outputs
from poseapp.live.outputs.parse import OUTPUTS, OutputKind, parse_output
from poseapp.live.outputs.runner import OutputStatus
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark

__all__ = [
    "OUTPUTS",
    "Output",
    "OutputAddress",
    "OutputKind",
    "OutputSettings",
    "OutputSetup",
    "OutputStatus",
    "Outputs",
    "RecordingMark",
    "RemoteCommand",
    "Update",
    "parse_output",
]
