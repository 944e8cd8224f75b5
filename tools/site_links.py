"""A hook of MkDocs: a link that leaves docs/ leads to a copy of that file within the site.

Pages link to policies, protos and code as they lie in the repository, which is right for whoever reads them
there. The site has those files in `source/`. What is not in the repository stays as it is, and fails.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
COPIES = "source"
"""The folder of the site that holds files from outside docs/."""
_LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")


def on_files(files: Any, *, config: Any) -> Any:
    """Add the files that pages link to, and those that these link to."""
    waiting = [Path(file.abs_src_path) for file in files if file.is_documentation_page()]
    while waiting:
        for path in _linked(waiting.pop()):
            if files.get_file_from_path(uri := _uri(path)) is None:
                files.append(File.generated(config, uri, abs_src_path=str(path)))
                waiting += [path] if path.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Return the page with its links to files of the repository as links within the site."""
    del config
    here, folder = Path(page.file.abs_src_path), os.path.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        uri = _uri((here.parent / link[1]).resolve())
        return os.path.relpath(uri, folder or ".") if files.get_file_from_path(uri) else link[1]

    return _LINK.sub(moved, markdown)


def _linked(page: Path) -> Iterator[Path]:
    """Yield the files of the repository that a page links to."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / link).resolve()
        if path.is_file() and path.is_relative_to(ROOT):
            yield path


def _uri(path: Path) -> str:
    """Return where a file of the repository is in the site; one outside of it is nowhere."""
    relative = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    return relative.removeprefix("docs/") if relative.startswith("docs/") else f"{COPIES}/{relative}"
