"""Anthropic's Messages API: for Claude Code and the SDKs of Anthropic."""
