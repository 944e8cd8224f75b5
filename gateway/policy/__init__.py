"""The policy: the operator's YAML as one frozen value."""
