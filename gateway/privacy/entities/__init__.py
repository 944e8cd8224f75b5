"""Detectors of named entities beside the built-in ones, which are asked before a request is scored."""
