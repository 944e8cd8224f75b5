"""Doubles for tests, demonstrations and trying a policy out."""
