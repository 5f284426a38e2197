"""The Qt window. It owns widgets only: every thread belongs to the Session."""
