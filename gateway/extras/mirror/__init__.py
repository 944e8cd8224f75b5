"""Mirroring: a share of requests is answered a second time, to learn from."""
