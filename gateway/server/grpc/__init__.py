"""The gRPC transport: wire in, pipeline, wire out."""
