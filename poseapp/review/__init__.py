"""What comes after recording: playing a clip or a recording, and finding a recording again. No Qt, no network.

``clip_reader.py`` gives the pictures of a video by their numbers, ``playback.py`` says which one is due, ``played_clip.py`` makes
a source of both, and ``player.py`` joins the pictures of a recording with its saved joints.
"""
