"""The operator's YAML becomes one frozen Policy."""
