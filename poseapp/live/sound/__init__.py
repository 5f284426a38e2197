"""Sound for recordings: microphones, and an even stream of samples made of what they give.

``base.py`` says what a microphone is, ``microphones.py`` has those of this machine, ``synthetic.py`` a made-up one with known
answers, ``timeline.py`` keeps sound and picture together.
"""

from poseapp.live.sound.base import Microphone, SoundBlock, SoundMode
from poseapp.live.sound.microphones import list_microphones, parse_microphone
from poseapp.live.sound.synthetic import SyntheticMicrophone

__all__ = ["Microphone", "SoundBlock", "SoundMode", "SyntheticMicrophone", "list_microphones", "parse_microphone"]
