"""Unit tests of offline."""
