"""Conversations as units: what is remembered of one from turn to turn, and where."""
