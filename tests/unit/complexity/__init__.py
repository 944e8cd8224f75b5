"""Unit tests of complexity."""
