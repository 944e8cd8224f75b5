"""The APIs that the simulated provider speaks beside chat completions, and what all have in common."""
