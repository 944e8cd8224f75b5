"""Generated from protos/gateway/admin/v1; see make protos."""
