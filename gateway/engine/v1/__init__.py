"""Generated from protos/gateway/engine/v1; see make protos."""
