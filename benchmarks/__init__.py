"""Measurements and long checks of the gateway; `make help` lists those with a target."""
