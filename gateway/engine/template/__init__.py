"""Chat templates: what one can render, and the prompt of a conversation."""
