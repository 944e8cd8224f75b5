"""Integration tests of simulate."""
