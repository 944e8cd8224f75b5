"""How providers differ from OpenAI's chat completions, as data."""
