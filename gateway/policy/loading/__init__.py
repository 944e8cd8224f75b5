"""From the operator's YAML to a checked policy, or to every reason why not."""
