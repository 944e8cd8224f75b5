"""Patterns and limits for untrusted text."""
