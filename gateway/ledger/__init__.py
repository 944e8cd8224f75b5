"""Spend: reserve, settle, release."""
