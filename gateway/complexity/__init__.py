"""The complexity score: how much a strong model is expected to gain over the edge model on a prompt."""
