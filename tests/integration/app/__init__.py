"""Integration tests of app."""
