"""Files, functions and parameter lists stay short enough to be read in one go."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.support.repository import ROOT

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
LONG_FILES = {
    "errors.py": "the tree of all errors is one page",
    "engine/scheduler.py": "one loop, whose steps share their state",
    "policy/model.py": "the list of all keys but those of models",
}
LONG_LISTS = {
    "cli/explain.py:explain": "a flag is a parameter",
    "client/prompt.py:prompt": "a field of a request is a parameter",
    "dispatch/attempt_log.py:add": "a fact about an attempt is a parameter",
}
FREE_NAMES = frozenset({"__init__.py", "__main__.py", "memory.py", "sqlite.py", "redis.py"})
FILES = [path for path in (ROOT / "gateway").rglob("*.py") if "v1" not in path.parts]


def _name(path: Path) -> str:
    return path.relative_to(ROOT / "gateway").as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_short(path: Path) -> None:
    """An exception has its reason, and is one only while it is long."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert (lines > MAX_FILE_LINES) == (_name(path) in LONG_FILES)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_functions_are_short_and_take_little(path: Path) -> None:
    """More than eight parameters are a value of their own; commands of the command line are told by flags."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and f"{_name(path)}:{node.name}" not in LONG_LISTS
        ):
            arguments = node.args
            parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            own = [each for each in parameters if each.arg not in {"self", "cls"}]
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name
            if not any(
                isinstance(each.annotation, ast.Subscript) and "Option" in ast.unparse(each) for each in own
            ):
                assert len(own) <= MAX_PARAMETERS, node.name


def test_a_file_name_occurs_at_most_three_times() -> None:
    """Otherwise an editor's list of open files says nothing."""
    counts = Counter(path.name for path in FILES if path.name not in FREE_NAMES)
    assert {name: count for name, count in counts.items() if count > 3} == {}
