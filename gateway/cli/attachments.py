"""Files that `gateway generate` sends along: tools and images."""

import json
from collections.abc import Sequence
from pathlib import Path

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.client.prompt import image_part
from gateway.v1 import gateway_pb2 as pb


def read_images(sources: Sequence[str] | None) -> list[pb.Part]:
    """Return the images that `--image` names; raises CommandFailed."""
    images = []
    for source in sources or ():
        try:
            images.append(image_part(source))
        except OSError as error:
            raise CommandFailed(f"--image {source}: {error.strerror or error}", status=MISUSED) from None
        except ValueError as error:
            raise CommandFailed(f"--image {error}", status=MISUSED) from None
    return images


def read_tools(files: Sequence[Path] | None) -> list[pb.Tool]:
    """Return the tools of the files that `--tool` names; a file has one or a list. Raises CommandFailed."""
    tools = []
    for file in files or ():
        try:
            content = json.loads(file.read_bytes())
        except OSError as error:
            raise CommandFailed(f"--tool {file}: {error.strerror or error}", status=MISUSED) from None
        except ValueError:
            raise CommandFailed(f"--tool {file}: is not JSON", status=MISUSED) from None
        tools += [_tool(file, each) for each in (content if isinstance(content, list) else [content])]
    return tools


def _tool(file: Path, content: object) -> pb.Tool:
    """Return a tool in the form of OpenAI, `{"type": "function", "function": {...}}`, or its inner part."""
    inner = content.get("function", content) if isinstance(content, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        shape = '{"name": ..., "description": ..., "parameters": {...}}'
        raise CommandFailed(f"--tool {file}: must hold {shape}", status=MISUSED)
    schema = inner.get("parameters")
    return pb.Tool(
        name=inner["name"],
        description=str(inner.get("description", "")),
        parameters_json_schema="" if schema is None else json.dumps(schema, ensure_ascii=False),
        strict=inner.get("strict") is True,
    )
