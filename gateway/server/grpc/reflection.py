"""Server reflection as clients ask for it: `grpc.reflection.v1` first, and its older name `v1alpha`."""

from collections.abc import AsyncIterator, Iterable

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from gateway.server.access import TenantRule
from gateway.server.grpc.caller import Context, admit

SERVICE = "grpc.reflection.v1.ServerReflection"
"""It has the same messages as the service that the library ships, in another package."""


class GuardedReflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # The library ships no types.
    """Server reflection, with a guard for callers with valid credentials alone."""

    def __init__(self, names: Iterable[str], *, guard: TenantRule | None) -> None:
        super().__init__(names)
        self._guard = guard

    async def ServerReflectionInfo(  # noqa: N802  The name is the proto's.
        self, requests: AsyncIterator[reflection_pb2.ServerReflectionRequest], context: Context
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """Say what is served."""
        await admit(self._guard, context)
        async for answer in super().ServerReflectionInfo(requests, context):
            yield answer


def add_reflection(server: grpc.aio.Server, names: Iterable[str], *, guard: TenantRule | None) -> None:
    """Register reflection of the services `names` and of itself, under both of its names."""
    pool = descriptor_pool.Default()
    new = _renamed()
    try:
        pool.FindFileByName(new.name)
    except KeyError:
        pool.AddSerializedFile(new.SerializeToString())
    servicer = GuardedReflection((*names, SERVICE, reflection.SERVICE_NAME), guard=guard)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _renamed() -> FileDescriptorProto:
    """Return the library's file as it reads in the new package."""
    old = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(old)
    old.ClearField("options")  # Packages of Java and Go, and that it is deprecated.
    return text_format.Parse(text_format.MessageToString(old).replace("v1alpha", "v1"), FileDescriptorProto())
