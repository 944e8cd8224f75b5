"""Several worker processes on one port, and the parent that owns their engines."""
