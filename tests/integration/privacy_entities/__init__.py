"""Integration tests of privacy_entities."""
