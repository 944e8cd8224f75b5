"""Integration tests of backends."""
