"""Unit tests of shortened conversations."""
