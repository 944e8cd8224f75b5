"""Optional features, each joined to the pipeline in one place."""
