"""What the endpoints of HTTP take and return, as an OpenAPI document."""
