"""An OpenAI-compatible provider made for trying and testing."""
