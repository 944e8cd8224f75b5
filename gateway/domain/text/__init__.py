"""Patterns and bounds for text of strangers."""
