"""Generated from protos/gateway/v1; see make protos."""
