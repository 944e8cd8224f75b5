"""Unit tests of dispatch."""
