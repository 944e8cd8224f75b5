"""What a server of any transport offers to the gateway that starts and ends it."""

from typing import Protocol

from gateway.domain.address import Address


class TransportServer(Protocol):
    """Serves the calls of one transport on an address of its own."""

    @property
    def address(self) -> Address:
        """Where it listens; with the port that the kernel chose once it has started."""
        ...

    async def start(self) -> None:
        """Bind and serve; raises StartupError when the address cannot be had."""
        ...

    async def stop_accepting(self) -> None:
        """Take no new connection and no new call; what is in flight goes on. Returns immediately."""
        ...

    async def close(self) -> None:
        """Cancel what is left, and return when every connection is closed."""
        ...
