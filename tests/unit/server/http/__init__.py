"""Unit tests of the doors over HTTP."""
