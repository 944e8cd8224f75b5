"""Unit tests of sessions."""
