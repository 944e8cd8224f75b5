"""Tests of gateway/tasks.py."""
