"""Masking: private values replaced by placeholders before a request leaves, and put back into the answer."""
