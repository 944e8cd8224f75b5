"""Generate the Python code of the protos: `make protos`, or with a folder as argument into that folder."""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "gateway/v1/gateway.proto",
    "gateway/engine/v1/engine.proto",
    "gateway/admin/v1/admin.proto",
)


def generate(out: Path) -> None:
    """Write `*_pb2.py`, their stubs and the gRPC stubs under `out`; a failure ends the program."""
    programs = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"-I{ROOT / 'protos'}",
        f"-I{files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={programs / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={programs / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *SOURCES,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protos: protoc failed; see the messages above")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
