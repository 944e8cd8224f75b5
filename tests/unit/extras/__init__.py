"""Unit tests of extras."""
