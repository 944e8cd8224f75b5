"""Integration tests of dispatch."""
