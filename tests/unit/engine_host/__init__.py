"""Unit tests of engine_host."""
