"""The record of every decision: written as a chain, verified, and read again by replay, diff and learning."""
