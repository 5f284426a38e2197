"""What is done with a recording afterwards: open it as data, and export it. No threads, no window."""
