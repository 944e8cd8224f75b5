"""The values that travel through the gateway."""
