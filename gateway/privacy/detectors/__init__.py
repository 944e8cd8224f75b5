"""One detector a file: what kinds of private data look like."""
