"""Tells what a model thinks from what it answers."""
