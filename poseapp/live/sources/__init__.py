"""Where pictures come from: cameras, files, folders, streams and a synthetic figure, a file each.

A source is opened, read and closed on the capture thread. Only ``close`` may also come from another
thread, to unblock a device that hangs.
"""
