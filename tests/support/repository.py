"""Where the repository lies, for tests that read its files or run its programs."""

import ast
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@cache
def names_of_tests(path: Path) -> set[str]:
    """Return the names of the tests in a module, those of its classes included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@cache
def tool(name: str) -> ModuleType:
    """Load a program of tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up.
    spec.loader.exec_module(module)
    return module


def code_blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a language that a page shows."""
    return re.findall(f"^```{language}\\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
