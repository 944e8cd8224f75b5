"""What commands do without a gateway, without printing."""
