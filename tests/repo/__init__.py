"""Tests of the repository itself: docs, layers, protos, container files."""
