"""Unit tests of simulate."""
