"""The model that ships with the package."""

import importlib.util
from pathlib import Path

from gateway.engine.models import resolve_model_path

ROOT = Path(__file__).resolve().parents[1]


def test_the_demo_model_is_what_its_script_writes(tmp_path: Path) -> None:
    """Running the script again gives the same bytes as the file in the package, below 2 MB."""
    found = importlib.util.spec_from_file_location("make_demo_model", ROOT / "tools" / "make_demo_model.py")
    assert found is not None
    assert found.loader is not None
    script = importlib.util.module_from_spec(found)
    found.loader.exec_module(script)

    script.write(tmp_path / "demo.gguf")
    written = (tmp_path / "demo.gguf").read_bytes()

    assert written == resolve_model_path("builtin:demo").read_bytes()
    assert len(written) < 2_000_000
