"""Short tones that tell somebody away from the screen that a recording begins or has ended."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

Tone = Literal["count", "begin", "end"]
RATE = 44_100
# Each tone: (Hz, s) after one another; 0 Hz is silence.
TONES: dict[Tone, Sequence[tuple[float, float]]] = {
    "count": ((880, 0.12),),
    "begin": ((1320, 0.35),),
    "end": ((660, 0.15), (0, 0.08), (660, 0.15)),
}
LOUDNESS = 0.4  # of the loudest that a sample can be
FADE_S = 0.01  # without it a tone clicks
# What plays a file of sound on Linux and macOS: PipeWire, PulseAudio, ALSA, macOS.
PLAYERS = ("pw-play", "paplay", "aplay", "afplay")
LONGEST_S = 5.0  # a player that hangs is ended


def wav(tone: Tone) -> bytes:
    """The tone as a WAV file: 16 bits, mono."""
    pieces = []
    for hz, seconds in TONES[tone]:
        t = np.arange(round(seconds * RATE)) / RATE
        fade = np.minimum(1.0, np.minimum(t, t[::-1]) / FADE_S)
        pieces.append(np.sin(2 * np.pi * hz * t) * fade * LOUDNESS)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.concatenate(pieces) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def player(which: Callable[[str], str | None] = shutil.which) -> str:
    """The program that plays a file of sound here; "" where there is none."""
    return next((found for name in PLAYERS if (found := which(name))), "")


def play(tone: Tone) -> bool:
    """Play *tone* to its end; False where that cannot be. It takes as long as the tone: call it off the UI thread."""
    if sys.platform == "win32":
        import winsound

        winsound.PlaySound(wav(tone), winsound.SND_MEMORY)
        return True
    program = player()
    if not program:
        return False
    with tempfile.TemporaryDirectory(prefix="poseapp-") as folder:
        path = Path(folder) / f"{tone}.wav"
        path.write_bytes(wav(tone))
        try:
            done = subprocess.run([program, str(path)], capture_output=True, timeout=LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0
