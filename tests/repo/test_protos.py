"""The contract: generated code is current, everything in the protos is explained, and their style holds."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

from tests.support.repository import ROOT, tool

PROTOS = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto"))

Place = tuple[int, ...]
# Field numbers of descriptor.proto, from which the paths of SourceCodeInfo are made.
MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, NESTED_ENUM, VALUE, METHOD = 2, 3, 4, 2, 2


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    """What protoc makes of the protos, comments included."""
    out = tmp_path_factory.mktemp("protos") / "descriptors"
    arguments = [
        "protoc",
        f"-I{ROOT / 'protos'}",
        f"-I{files('grpc_tools') / '_proto'}",
        "--include_source_info",
        f"--descriptor_set_out={out}",
        *PROTOS,
    ]
    assert protoc.main(arguments) == 0
    return {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}


def test_generated_code_is_current(tmp_path: Path) -> None:
    """Generating again gives exactly the committed files: `make protos` was not forgotten."""
    tool("protos").generate(tmp_path)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2*")}
    committed = {
        path.relative_to(ROOT): path.read_text()
        for path in (ROOT / "gateway").rglob("*_pb2*")
        if path.suffix in (".py", ".pyi")
    }
    assert made.keys() == committed.keys()
    stale = [str(path) for path, text in made.items() if text != committed[path]]
    assert not stale, "run: make protos"


def test_every_proto_is_generated() -> None:
    """The tool knows every file under protos/."""
    assert sorted(tool("protos").SOURCES) == PROTOS


@pytest.mark.parametrize("name", PROTOS)
def test_everything_in_the_protos_is_explained(
    descriptors: dict[str, FileDescriptorProto], name: str
) -> None:
    """Every service, rpc, message, field, enum and value has a comment of whole sentences."""
    file = descriptors[name]
    comments = {
        tuple(location.path): location.leading_comments.strip() for location in file.source_code_info.location
    }
    elements = dict(_elements(file))
    unexplained = [
        what
        for path, what in elements.items()
        if not re.match(r"[A-Z\[`].*\.$", comments.get(path, ""), re.DOTALL)
    ]
    assert len(elements) > 10
    assert not unexplained


def _elements(file: FileDescriptorProto) -> Iterator[tuple[Place, str]]:
    for index, service in enumerate(file.service):
        yield (SERVICE, index), service.name
        for at, method in enumerate(service.method):
            yield (SERVICE, index, METHOD, at), f"{service.name}.{method.name}"
    for index, message in enumerate(file.message_type):
        yield from _message_elements(message, (MESSAGE, index))
    for index, enum in enumerate(file.enum_type):
        yield from _enum_elements(enum, (ENUM, index))


def _message_elements(message: DescriptorProto, path: Place) -> Iterator[tuple[Place, str]]:
    if message.options.map_entry:
        return  # Made by protoc; nobody wrote it.
    yield path, message.name
    for index, field in enumerate(message.field):
        yield (*path, FIELD, index), f"{message.name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_elements(nested, (*path, NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield from _enum_elements(enum, (*path, NESTED_ENUM, index))


def _enum_elements(enum: EnumDescriptorProto, path: Place) -> Iterator[tuple[Place, str]]:
    yield path, enum.name
    for index, value in enumerate(enum.value):
        yield (*path, VALUE, index), f"{enum.name}.{value.name}"


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


@pytest.mark.parametrize("name", PROTOS)
def test_enums_follow_the_style(descriptors: dict[str, FileDescriptorProto], name: str) -> None:
    """Zero means unspecified, and every value begins with the name of its enum."""
    for enum in descriptors[name].enum_type:
        prefix = _upper_snake(enum.name)
        zero = next(value.name for value in enum.value if value.number == 0)
        assert zero == f"{prefix}_UNSPECIFIED"
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)


@pytest.mark.parametrize("name", PROTOS)
def test_names_follow_the_style(descriptors: dict[str, FileDescriptorProto], name: str) -> None:
    """Package and folder agree, names are cased as usual, and each rpc has messages of its own name."""
    file = descriptors[name]
    assert file.package == str(Path(name).parent).replace("/", ".")
    assert re.search(r"\.v\d+$", file.package)
    for message in file.message_type:
        assert re.fullmatch(r"([A-Z][a-z0-9]*)+", message.name)
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name) for field in message.field)
    for service in file.service:
        assert service.name.endswith("Service")
        for method in service.method:
            assert method.input_type == f".{file.package}.{method.name}Request"
            assert method.output_type == f".{file.package}.{method.name}Response"


@pytest.mark.parametrize("name", ["StreamGenerateRequest", "ExplainRequest"])
def test_requests_have_the_same_fields(descriptors: dict[str, FileDescriptorProto], name: str) -> None:
    """What can be generated can be streamed and explained: same fields, numbers and types.

    So can what is embedded be explained.
    """
    of_vectors = ["input", "dimensions"] if name == "ExplainRequest" else []
    messages = {message.name: message for message in descriptors["gateway/v1/gateway.proto"].message_type}

    def fields(message: str) -> list[tuple[str, int, int, str]]:
        return [
            (field.name, field.number, field.type, field.type_name.replace(f".{message}.", "."))
            for field in messages[message].field
        ]

    assert fields(name)[:7] == fields("GenerateRequest")
    assert [field for field, *_ in fields(name)[7:]] == of_vectors


@pytest.mark.parametrize("name", ["GenerationConfig", "Hints"])
def test_unset_is_not_zero(descriptors: dict[str, FileDescriptorProto], name: str) -> None:
    """Every scalar of config and hints is optional, so that unset differs from 0."""
    messages = {message.name: message for message in descriptors["gateway/v1/gateway.proto"].message_type}
    required = [
        field.name
        for field in messages[name].field
        if field.label != field.LABEL_REPEATED and field.type != field.TYPE_MESSAGE
        if not field.proto3_optional
    ]
    assert not required
