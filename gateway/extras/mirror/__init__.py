"""Second answers, to learn from."""
