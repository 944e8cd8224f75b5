"""Unit tests of testing."""
