"""The constructed model, for tests that need to know what it will say: a few sentences, always the same.

A trained model is of little use to them. It is quick to end, and where two tokens are nearly as likely,
what it is decoded with may decide between them; here the likeliest token is far ahead of all others.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tests.support.synthetic_models import write_constructed


@functools.cache
def constructed() -> str:
    """Return the path of the model, written once a process."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-constructed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "constructed.gguf"
    write_constructed(path)
    return str(path)
