"""Unit tests of policy_diff."""
