"""What is done with a recording afterwards: find it, play it, open it as data, and export it. No Qt.

``clip_reader.py`` gives the pictures of a video by their numbers, ``playback.py`` says which one is due, ``played_clip.py`` makes
a source of both, ``player.py`` joins the pictures of a recording with its joints. ``saved_recording.py`` has the joints as data.
"""
