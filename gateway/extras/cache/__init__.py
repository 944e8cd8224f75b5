"""The cache of answers: an identical request gets the answer that was made before, or is being made."""
