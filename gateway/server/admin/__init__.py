"""The operator's side of a running gateway: its status, and the page that Prometheus reads."""
