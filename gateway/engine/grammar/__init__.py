"""Converts a JSON schema to the grammar that constrains an answer."""
