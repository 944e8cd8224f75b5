"""A small Python client for the CLI, the demo and the examples."""
