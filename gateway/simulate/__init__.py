"""A simulated OpenAI-compatible provider, for trials and tests."""
