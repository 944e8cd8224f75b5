"""Models behind an API that speaks OpenAI's chat completions."""
