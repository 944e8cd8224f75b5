"""Test doubles, for tests, demos and policy trials."""
