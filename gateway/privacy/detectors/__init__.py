"""The built-in detectors, one kind of private data per file."""
