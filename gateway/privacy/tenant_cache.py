"""A cache in bounded memory in which no tenant takes the place of all others."""

from collections import OrderedDict
from typing import Generic, TypeVar

TENANT_SHARE = 4
"""A tenant has at most one part of so many, where there are tenants."""
_LARGEST_SHARE = 16
"""An entry larger than this part of a tenant's is not kept."""

_Value = TypeVar("_Value")


class TenantCache(Generic[_Value]):
    """Values by tenant and key; the least recently used one goes first."""

    def __init__(self, *, max_bytes: int, has_tenants: bool = True) -> None:
        self._max_bytes = max_bytes
        self._tenant_bytes = max_bytes // TENANT_SHARE if has_tenants else max_bytes
        self._entries: OrderedDict[tuple[str, bytes], tuple[_Value, int]] = OrderedDict()
        self._by_tenant: dict[str, OrderedDict[bytes, None]] = {}
        self._tenant_sizes: dict[str, int] = {}
        self.size_bytes = 0
        """How much it holds, by the sizes that it was told."""

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, tenant: str, key: bytes) -> _Value | None:
        """Return what is kept."""
        entry = self._entries.get((tenant, key))
        if entry is None:
            return None
        self._entries.move_to_end((tenant, key))
        self._by_tenant[tenant].move_to_end(key)
        return entry[0]

    def put(self, tenant: str, key: bytes, value: _Value, *, size: int) -> None:
        """Keep a value of so many bytes in the place of the one that was there."""
        self._drop(tenant, key)
        if size > self._tenant_bytes // _LARGEST_SHARE:
            return
        while self._tenant_sizes.get(tenant, 0) + size > self._tenant_bytes:
            self._drop(tenant, next(iter(self._by_tenant[tenant])))
        while self.size_bytes + size > self._max_bytes:
            self._drop(*next(iter(self._entries)))
        self._entries[tenant, key] = value, size
        self._by_tenant.setdefault(tenant, OrderedDict())[key] = None
        self._tenant_sizes[tenant] = self._tenant_sizes.get(tenant, 0) + size
        self.size_bytes += size

    def _drop(self, tenant: str, key: bytes) -> None:
        entry = self._entries.pop((tenant, key), None)
        if entry is None:
            return
        del self._by_tenant[tenant][key]
        self._tenant_sizes[tenant] -= entry[1]
        self.size_bytes -= entry[1]
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant], self._tenant_sizes[tenant]
