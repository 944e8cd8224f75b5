"""Differences between two policies: what is looser, and what needs a restart."""
