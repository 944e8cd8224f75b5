"""Pure scorers: text in, numbers and findings out."""
