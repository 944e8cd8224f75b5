"""Loading: from the operator's YAML to a checked policy, or to a list of all errors."""
