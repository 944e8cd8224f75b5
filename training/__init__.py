"""Scripts that make what ships trained."""
