"""The microphones of this machine, by way of the package sounddevice (PortAudio).

FFmpeg, which the app has anyway, is not used: in PyAV's wheels for Linux its ALSA looks for a configuration that is not on the
user's machine, and opens no device. PortAudio says for each block when its first sample was heard, steady to 0.5 ms when it was
tried with PulseAudio; and there are wheels with the library for Windows and macOS.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poseapp.core.errors import SoundError
from poseapp.live.sound.base import Deliver, Microphone, SoundBlock, SoundMode
from poseapp.live.sound.synthetic import SyntheticMicrophone

DEFAULT = "default"
SYNTHETIC = "synthetic"
OLDEST_S = 2.0  # a time of a block that lies farther back is none: some drivers give no times
SHOWN = 5  # names in an error


def parse_microphone(text: str) -> Microphone:
    """The microphone that *text* names: "default", "synthetic" (a tone twice a second), or a part of the name of one."""
    if text.strip() == SYNTHETIC:
        return SyntheticMicrophone()
    return DeviceMicrophone("" if text.strip() in ("", DEFAULT) else text.strip())


def list_microphones() -> list[str]:
    """The names of the microphones here. Takes a moment. Raises SoundError where sound cannot be recorded at all."""
    sd = _sounddevice()
    return list(dict.fromkeys(name for _, name in _inputs(sd)))


class DeviceMicrophone:
    """The microphone of the machine whose name has *wanted* in it; the system's default one where that is ""."""

    def __init__(self, wanted: str = "") -> None:
        self._wanted = wanted
        self.name = wanted or "Microphone"
        self._stream: Any = None

    def open(self, deliver: Deliver) -> SoundMode:
        """See Microphone."""
        sd = _sounddevice()
        device = self._device(sd)

        def heard(samples: Any, frames: int, times: Any, status: Any) -> None:
            del status  # what was lost shows as a gap
            now = time.monotonic()
            age = times.currentTime - times.inputBufferAdcTime
            if not (times.inputBufferAdcTime > 0 and 0 <= age <= OLDEST_S):
                age = frames / stream.samplerate
            deliver(
                SoundBlock(samples.mean(axis=1).astype(np.int16) if samples.shape[1] > 1 else samples[:, 0].copy(), now - age)
            )

        stream = self._stream = self._opened(sd, device, heard)
        stream.start()
        return SoundMode(round(stream.samplerate))

    def close(self) -> None:
        """See Microphone."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def _device(self, sd: Any) -> int | None:
        if not self._wanted:
            return None
        inputs = _inputs(sd)
        for number, name in inputs:
            if self._wanted.casefold() in name.casefold():
                self.name = name
                return number
        there = ", ".join([name for _, name in inputs][:SHOWN]) or "none"
        raise SoundError(f"{self._wanted}: there is no such microphone. Plug it in, or choose one of these: {there}.")

    def _opened(self, sd: Any, device: int | None, heard: Any) -> Any:
        """The stream, of one channel where the device has that, else of two."""
        error: Exception | None = None
        for channels in (1, 2):
            try:
                return sd.InputStream(device=device, channels=channels, dtype="int16", latency="high", callback=heard)
            except (sd.PortAudioError, ValueError) as why:  # ValueError: there is no device at all
                error = error or why
        reason = str(error).partition("[")[0].strip()
        raise SoundError(f"{self.name}: cannot be opened ({reason}). Plug it in, or close the other program that uses it.")


def _inputs(sd: Any) -> list[tuple[int, str]]:
    """Number and name of each microphone of the system's usual sound interface; a system may offer each by several."""
    default = sd.query_hostapis()[sd.default.hostapi]["devices"] if sd.query_hostapis() else []
    devices = sd.query_devices()
    return [(number, devices[number]["name"]) for number in default if devices[number]["max_input_channels"] > 0]


def _sounddevice() -> Any:
    """The package; SoundError with the line that installs what is missing."""
    try:
        import sounddevice
    except ImportError:
        raise SoundError('Microphone: the package sounddevice is missing. Type: pip install "poseapp[microphone]"') from None
    except OSError:
        raise SoundError(
            "Microphone: PortAudio is missing. On Debian or Ubuntu type: sudo apt-get install libportaudio2"
        ) from None
    return sounddevice
