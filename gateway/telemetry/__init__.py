"""Logs: one line per request."""
