"""Trains the model of names, addresses, places and firms that `gateway.privacy.names` ships."""
