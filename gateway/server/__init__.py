"""The gRPC service and what surrounds it."""
