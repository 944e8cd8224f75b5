"""Channels of gRPC reach loopback only, as sockets do."""

from tests.support.network import watch_grpc

watch_grpc()
