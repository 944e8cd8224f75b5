"""The rooms of the package, by layer."""

LAYERS = (
    (
        "gateway",
        "gateway.domain",
        "gateway.errors",
        "gateway.clock",
        "gateway.defects",
        "gateway.tasks",
        "gateway.v1",
        "gateway.engine.v1",
        "gateway.admin",
    ),
    ("gateway.policy", "gateway.trimming"),
    ("gateway.complexity", "gateway.privacy", "gateway.ledger", "gateway.sessions"),
    ("gateway.policy.loading", "gateway.policy.diff"),
    ("gateway.routing",),
    ("gateway.backends", "gateway.engine_host", "gateway.telemetry", "gateway.testing"),
    ("gateway.dispatch", "gateway.records", "gateway.privacy.entities"),
    ("gateway.pipeline", "gateway.offline"),
    ("gateway.extras",),
    ("gateway.server", "gateway.engine", "gateway.client", "gateway.simulate"),
    ("gateway.app",),
    ("gateway.cli", "gateway.__main__"),
)
"""The rooms from the lowest layer up: a room imports from its own layer and from those below."""
