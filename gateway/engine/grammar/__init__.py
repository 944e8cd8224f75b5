"""From a JSON schema to the grammar that an answer is held to."""
