"""Calls of tools in the form of each model: how one is written, held to, and read."""
