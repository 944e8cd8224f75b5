"""Integration tests of client."""
