"""Channels of gRPC reach loopback only, as sockets do; and the fixtures that several rooms use."""

from tests.support.network import watch_grpc
from tests.support.scripted_fixtures import service, target

__all__ = ["service", "target"]

watch_grpc()
