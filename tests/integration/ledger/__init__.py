"""Integration tests of ledger."""
