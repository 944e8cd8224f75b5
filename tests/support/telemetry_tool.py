"""tools/telemetry.py, which is no package."""

import importlib.util
import sys
from functools import cache
from types import ModuleType

from tests.support.repository import ROOT


@cache
def telemetry_tool() -> ModuleType:
    """Load it."""
    spec = importlib.util.spec_from_file_location("telemetry_tool", ROOT / "tools" / "telemetry.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up.
    spec.loader.exec_module(module)
    return module
