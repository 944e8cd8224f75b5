"""Unit tests of policy_loading."""
