"""Imports point down: who may know whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gateway"

LAYERS = (
    (
        "gateway",
        "gateway.types",
        "gateway.errors",
        "gateway.clock",
        "gateway.domain.grpc_timeout",
        "gateway.domain.text.schema_bounds",
        "gateway.domain.samples",
        "gateway.v1",
        "gateway.engine.v1",
        "gateway.admin.v1",
    ),
    ("gateway.telemetry", "gateway.policy", "gateway.scoring", "gateway.privacy.masking"),
    ("gateway.routing", "gateway.ledger", "gateway.backends", "gateway.records"),
    ("gateway.privacy.entities",),
    ("gateway.extras.handoff",),
    ("gateway.dispatch",),
    ("gateway.engine", "gateway.server", "gateway.admin", "gateway.client", "gateway.simulate"),
    ("gateway.cli", "gateway.__main__"),
)
"""The rooms from the lowest layer up: a room imports from its own layer and from those below."""

VOCABULARY = frozenset(LAYERS[0])
APART = {
    "gateway.engine": VOCABULARY | {"gateway.engine", "gateway.policy.model"},
    "gateway.simulate": VOCABULARY | {"gateway.simulate"},
    "gateway.client": VOCABULARY | {"gateway.client"},
}
"""Rooms that know less than their layer would allow: another process, a stranger, and a caller."""


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports, wherever in the file it does."""
    modules = {name for name, _ in _modules()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # `from gateway.v1 import gateway_pb2` means a module, `from gateway.types import Role` does not.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else str(node.module) for name in whole]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "gateway")


def _is_in(module: str, room: str) -> bool:
    return module == room or (room != "gateway" and module.startswith(f"{room}."))


def _layer(module: str) -> int:
    found = [
        (len(room), layer) for layer, rooms in enumerate(LAYERS) for room in rooms if _is_in(module, room)
    ]
    assert found, f"{module}: in no room; add it to LAYERS where it belongs"
    return max(found)[1]


def test_the_check_sees_imports() -> None:
    """The check reads real imports: a test that finds none would pass for ever."""
    assert "gateway.types" in set(_imported(PACKAGE / "errors.py"))
    assert "gateway.v1.gateway_pb2" in set(_imported(PACKAGE / "client" / "channel.py"))
    assert (
        _layer("gateway.engine.v1.engine_pb2") < _layer("gateway.engine.server") < _layer("gateway.cli.app")
    )


@pytest.mark.parametrize(("module", "path"), list(_modules()), ids=[name for name, _ in _modules()])
def test_imports_point_down(module: str, path: Path) -> None:
    """A module imports from its own layer or from below."""
    upwards = [name for name in _imported(path) if _layer(name) > _layer(module)]
    assert not upwards, f"{module} is below {', '.join(upwards)}"


@pytest.mark.parametrize("room", sorted(APART))
def test_rooms_apart_know_the_vocabulary_only(room: str) -> None:
    """Engine, simulated provider and client import the vocabulary and themselves."""
    strange = [
        f"{module} imports {name}"
        for module, path in _modules()
        if _is_in(module, room)
        for name in _imported(path)
        if not any(_is_in(name, allowed) for allowed in APART[room])
    ]
    assert not strange
