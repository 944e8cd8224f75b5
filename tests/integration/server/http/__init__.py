"""The doors over HTTP against a gateway that runs."""
