"""Shortens conversations that are too long for a model; pure."""
