"""Integration tests of sessions."""
