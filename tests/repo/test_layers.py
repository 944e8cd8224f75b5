"""Imports point down: who may know whom, and what importing a room loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gateway.policy.kinds import KINDS
from tests.support.repository import ROOT
from tests.support.rooms import LAYERS

PACKAGE = ROOT / "gateway"

VALUES = frozenset(LAYERS[0])
APART = {
    "gateway.engine": VALUES | {"gateway.engine", "gateway.policy"},
    "gateway.simulate": VALUES | {"gateway.simulate"},
    "gateway.client": VALUES | {"gateway.client"},
}
"""Rooms that know less than their layer would allow: another process, a stranger, and a caller."""

ROUTING_LOADS = tuple(room for layer in LAYERS[:2] for room in layer)
"""What the pure core of routing may load of this package, besides itself."""


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its name."""
    named = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(part for part in parts if part != "__init__")] = path
    return named


@cache
def imported(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, wherever in its file it does."""
    return frozenset(_imported(modules()[module]))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # `from gateway.v1 import gateway_pb2` means a module, `from gateway.clock import Clock` does not.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else str(node.module) for name in whole]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "gateway")


def is_in(module: str, room: str) -> bool:
    """Whether a module is a room or lies in it."""
    return module == room or (room != "gateway" and module.startswith(f"{room}."))


def room_of(module: str) -> str:
    """Return the room of a module: the longest name in LAYERS that it lies in."""
    rooms = [room for layer in LAYERS for room in layer if is_in(module, room)]
    assert rooms, f"{module}: in no room; add it to LAYERS where it belongs"
    return max(rooms, key=len)


def layer_of(module: str) -> int:
    """Return the layer of a module's room."""
    room = room_of(module)
    return next(index for index, rooms in enumerate(LAYERS) if room in rooms)


def reached(module: str) -> frozenset[str]:
    """Return all modules that importing one loads, by its imports and theirs."""
    seen, left = {module}, [module]
    while left:
        for name in imported(left.pop()) - seen:
            seen.add(name)
            left.append(name)
    return frozenset(seen - {module})


def test_the_check_sees_imports() -> None:
    """The check reads real imports: a test that finds none would pass for ever."""
    assert "gateway.domain.decision" in imported("gateway.errors")
    assert "gateway.v1.gateway_pb2" in imported("gateway.client.channel")
    assert "gateway.domain.decision" in reached("gateway.cli.app")
    assert (
        layer_of("gateway.engine.v1.engine_pb2")
        < layer_of("gateway.engine.server")
        < layer_of("gateway.cli.app")
    )
    assert room_of("gateway.privacy.entities.ask") == "gateway.privacy.entities"


@pytest.mark.parametrize("module", list(modules()))
def test_imports_point_down(module: str) -> None:
    """A module reaches its own layer and those below, directly or through what it imports."""
    upwards = [name for name in reached(module) if layer_of(name) > layer_of(module)]
    assert not upwards, f"{module} is below {', '.join(upwards)}"


def test_rooms_form_no_cycle() -> None:
    """No two rooms know each other, by whatever way round."""
    knows: dict[str, set[str]] = {}
    for module in modules():
        rooms = {room_of(name) for name in imported(module)} - {room_of(module)}
        knows.setdefault(room_of(module), set()).update(rooms - VALUES)
    order: list[str] = []
    while ready := sorted(room for room, rooms in knows.items() if room not in order and rooms <= set(order)):
        order += ready
    assert not set(knows) - set(order) - VALUES, "these rooms, or some of them, know each other"


STRANGERS = {
    "gateway.backends.anthropic": "gateway.backends.openai",
    "gateway.backends.openai": "gateway.backends.anthropic",
    "gateway.server.grpc": "gateway.server.http",
    "gateway.server.http": "gateway.server.grpc",
}
"""Providers, and transports, that know nothing of each other: what both need lies beside them."""


@pytest.mark.parametrize("part", sorted(STRANGERS))
def test_strangers_know_nothing_of_each_other(part: str) -> None:
    """A change of one touches no other, directly or through what it imports."""
    met = [
        f"{module} reaches {name}"
        for module in modules()
        if is_in(module, part)
        for name in reached(module)
        if is_in(name, STRANGERS[part])
    ]
    assert not met


@pytest.mark.parametrize("room", sorted(APART))
def test_rooms_apart_know_the_values_only(room: str) -> None:
    """Engine, simulated provider and client import values and themselves."""
    strange = [
        f"{module} imports {name}"
        for module in modules()
        if is_in(module, room)
        for name in imported(module)
        if not any(is_in(name, allowed) for allowed in APART[room])
    ]
    assert not strange


def printed_by(code: str) -> str:
    """Return what a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def loaded_by(module: str) -> frozenset[str]:
    """Return the modules that a new interpreter has once it has imported one."""
    return frozenset(printed_by(f"import sys, {module}; print(*sys.modules)").split())


BUDGETS = {
    "gateway.routing": ("numpy", "phonenumbers", "re2", "ruamel", "openai", "grpc", "cel_expr_python"),
    "gateway.client": ("numpy", "openai", "llama_cpp", "pydantic", "re2", "ruamel"),
    "gateway.engine.server": ("ruamel", "cel_expr_python", "re2", "phonenumbers", "openai"),
    "gateway.cli.serve": (
        "httpx2",
        "jsonschema_rs",
        "cel_expr_python",
        "openai",
        "llama_cpp",
        "genai_prices",
        "opentelemetry",
    ),
    "gateway.policy.loading.load": ("genai_prices", "openai", "grpc", "llama_cpp"),
    "gateway.server.calls": ("grpc", "aiohttp"),
    "gateway.server.access": ("grpc", "aiohttp"),
    "gateway.server.health": ("grpc", "aiohttp"),
    "gateway.pipeline.scoring_worker": (
        "grpc",
        "openai",
        "llama_cpp",
        "ruamel",
        "cel_expr_python",
        "aiohttp",
    ),
}
"""What importing a room must not load: its users would pay for it in time and memory."""


@pytest.mark.parametrize("module", sorted(BUDGETS))
def test_what_importing_a_room_loads(module: str) -> None:
    """Measured in a new process, so that nothing that a test has imported is counted."""
    heavy = sorted({name.partition(".")[0] for name in loaded_by(module)} & set(BUDGETS[module]))
    assert not heavy


def test_a_start_loads_nothing_for_pages_of_help() -> None:
    """structlog would load rich, to print tracebacks."""
    code = "import sys; from gateway.cli.app import load_command; load_command('serve'); print(*sys.modules)"
    loaded = printed_by(code).split()
    assert "structlog" in loaded
    assert not {"rich", "pygments"} & set(loaded)


def test_a_start_compiles_no_patterns() -> None:
    """Detectors have hundreds, which are compiled for the first text that needs them."""
    code = "import re2; re2.compile = re2.Set.SearchSet = None; import gateway.app.serve; print('done')"
    assert printed_by(code) == "done\n"


def test_routing_loads_values_and_policies_only() -> None:
    """The pure core knows what a request and a policy are, and nothing that acts."""
    ours = [name for name in loaded_by("gateway.routing") if name.partition(".")[0] == "gateway"]
    strange = [name for name in ours if name != "gateway.routing" and room_of(name) not in ROUTING_LOADS]
    assert not strange


KINDS_OF_MODELS = frozenset({"ModelSpec", "LlamaCppModel", "OpenAIModel", "AnthropicModel"})
"""Classes of which only policies and backends ask whether a spec is one; everybody else asks the spec."""
MAY_ASK_THE_KIND = ("gateway.policy", "gateway.backends")


def asked_kinds(code: str) -> list[str]:
    """Return the kinds of models that code asks for: by isinstance, by a pattern, or by their name."""
    asked: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"isinstance", "issubclass"}:
            asked += map(_name_of, ast.walk(node.args[1]))
        elif isinstance(node, ast.MatchClass):
            asked.append(_name_of(node.cls))
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if "kind" in map(_name_of, sides):
                asked += [str(each.value) for each in sides if isinstance(each, ast.Constant)]
    return [name for name in asked if name in KINDS_OF_MODELS | set(KINDS)]


def _name_of(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(spec, OpenAIModel)",
        "isinstance(spec, (int, model.LlamaCppModel))",
        "isinstance(spec, LlamaCppModel | OpenAIModel)",
        "match spec:\n    case OpenAIModel(mask=mask): pass",
        "spec.kind == 'llama_cpp'",
    ],
)
def test_the_check_sees_who_asks_for_a_kind(code: str) -> None:
    """Each way of asking is found: a check that finds none would pass for ever."""
    assert asked_kinds(code)


@pytest.mark.parametrize("module", [m for m in modules() if not any(is_in(m, r) for r in MAY_ASK_THE_KIND)])
def test_a_spec_is_asked_and_not_its_kind(module: str) -> None:
    """A third kind of model would otherwise touch this module."""
    assert not asked_kinds(modules()[module].read_text(encoding="utf-8"))


def test_only_one_file_starts_tasks() -> None:
    """A task that starts elsewhere has no owner; ruff sees no method of the loop, and no owner of grpc."""
    found = [
        f"{module}:{node.lineno}"
        for module, path in modules().items()
        if module != "gateway.tasks"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in ("create_task", "ensure_future")
    ]
    assert not found
