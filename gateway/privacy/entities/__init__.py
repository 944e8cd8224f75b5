"""Finders of named entities, which run before a request is scored."""
