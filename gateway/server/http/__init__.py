"""The doors over HTTP: the dialects of OpenAI and Anthropic on one pipeline."""
