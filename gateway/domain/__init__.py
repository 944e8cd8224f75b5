"""The value types of the gateway."""
