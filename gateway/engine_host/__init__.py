"""The parent's side of engine processes: starts, watches and restarts them."""
