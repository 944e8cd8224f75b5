"""Tests with real processes: gateways, workers, engines, and kills."""
