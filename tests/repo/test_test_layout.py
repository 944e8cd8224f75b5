"""Where a test lies says what it uses: the rules of CONTRIBUTING.md on tests."""

import ast
from functools import cache

import pytest

from tests.support.repository import ROOT
from tests.support.rooms import LAYERS

TESTS = ROOT / "tests"
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in TESTS.rglob("*.py")}
UNIT = [name for name in MODULES if name.startswith("tests.unit.")]

OUTSIDE = ("grpc", "subprocess", "multiprocessing", "socket", "aiohttp", "httpx2", "redis", "sqlite3")
"""What reaches beyond the process of the test, or a file of another program."""
OUTER_ROOMS = ("gateway.server", "gateway.client", "gateway.simulate", "gateway.app")
PURE = ("gateway.server.grpc.render", "gateway.server.grpc.wire", "gateway.server.grpc.error_status")
"""From values to protobuf and back: any unit test may look at what goes over the wire."""
OWN = {
    "tests.unit.server": "gateway.server",
    "tests.unit.simulate": "gateway.simulate",
    "tests.unit.app": "gateway.app",
}
"""A room's own tests import it."""

NO_FOLDER = {
    "gateway": "a name",
    "gateway.admin": "a name",
    "gateway.__main__": "two lines",
    "gateway.v1": "generated",
    "gateway.engine.v1": "generated",
    "gateway.engine_host": "starts processes: tests/process/test_engine_supervisor.py",
}
"""Rooms without a folder of tests, and why."""
FILES = {
    "gateway.errors": "domain",
    "gateway.clock": "domain",
    "gateway.defects": "domain",
}
"""Rooms that are one file, and the folder of their tests."""


@cache
def imported(module: str) -> frozenset[str]:
    """Return what a module imports, wherever in its file it does; `from a import b` is `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names.update(alias.name for alias in node.names)
            case ast.ImportFrom(module=str(source)):
                names |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def reached(module: str) -> dict[str, str]:
    """Return what a test imports, itself or by tests.support, each with the module that imports it."""
    found: dict[str, str] = {}
    left, seen = [module], {module}
    while left:
        at = left.pop()
        for name in imported(at):
            found.setdefault(name, at)
            if name in MODULES and name not in seen:
                seen.add(name)
                left.append(name)
    return found


def is_in(name: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_test_imports_a_test(module: str) -> None:
    """What two tests share lies in tests/support/."""
    tests = [
        name
        for name in imported(module)
        if is_in(name, "tests") and name != "tests" and not is_in(name, "tests.support")
    ]
    assert tests == []


@pytest.mark.parametrize("module", sorted(UNIT))
def test_a_unit_test_reaches_nothing_outside(module: str) -> None:
    """Neither itself nor by what it shares does it import gRPC, processes, sockets or a database."""
    used = {
        name: by for name, by in reached(module).items() if any(is_in(name, outside) for outside in OUTSIDE)
    }
    assert used == {}


@pytest.mark.parametrize("module", sorted(UNIT))
def test_a_unit_test_knows_no_outer_room(module: str) -> None:
    """Servers, clients and construction are met in tests/integration/, but for the pure parts of a room."""
    own = next((room for folder, room in OWN.items() if is_in(module, folder)), None)
    used = {
        name: by
        for name, by in reached(module).items()
        if any(is_in(name, room) for room in OUTER_ROOMS if room != own)
        if not any(is_in(name, pure) for pure in PURE)
    }
    assert used == {}


def folders_of(tier: str) -> set[str]:
    """Return the folders of a tier."""
    return {path.name for path in (TESTS / tier).iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_every_room_has_its_folder() -> None:
    """`gateway.privacy.entities` is tests/unit/privacy_entities/, or the same of tests/integration/."""
    rooms = {room for layer in LAYERS for room in layer} - set(NO_FOLDER)
    wanted = {FILES.get(room, room.removeprefix("gateway.").replace(".", "_")) for room in rooms}
    have = folders_of("unit") | folders_of("integration")
    assert wanted - have == set(), "rooms without tests"
    assert have - wanted == set(), "folders that are named after no room"


def test_every_test_lies_in_a_tier() -> None:
    """unit and integration have a folder for each room; process and repo are flat."""
    stray = [
        path.relative_to(TESTS)
        for path in TESTS.rglob("test_*.py")
        if path.relative_to(TESTS).parts[0] not in ("unit", "integration", "process", "repo")
    ]
    assert stray == []


def test_no_helper_poses_as_a_test() -> None:
    """pytest collects what begins with `test`; what tests share does not."""
    assert list((TESTS / "support").rglob("test_*.py")) == []


def test_a_path_of_a_test_is_told_from_its_name() -> None:
    """No folder has a file that repeats the folder's name in front: dispatch/test_breaker.py, not more."""
    repeated = [
        path.relative_to(TESTS)
        for path in (*TESTS.glob("unit/*/test_*.py"), *TESTS.glob("integration/*/test_*.py"))
        if path.stem.startswith(f"test_{path.parent.name}_")
    ]
    assert repeated == []
