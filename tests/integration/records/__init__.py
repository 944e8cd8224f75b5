"""Integration tests of records."""
