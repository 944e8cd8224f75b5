"""Integration tests of extras."""
