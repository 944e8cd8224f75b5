"""A gateway of this process as its operator sees it: the page of metrics, and the admin service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.app.observability import Observability
from gateway.backends.base import Backend
from gateway.client.admin import AdminClient
from gateway.domain.address import Address
from gateway.server.admin.address import parse_admin
from gateway.server.admin.worker import WorkerIdentity
from tests.support.policies import POLICY
from tests.support.ports import free_address
from tests.support.served import Served, served

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """What Prometheus read at one moment."""

    samples: Mapping[tuple[str, Labels], float]
    text: str

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of a label."""
        return {dict(has)[label] for found, has in self.samples if found == name}


async def read_page(address: str) -> Page:
    """Read the page as Prometheus does."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as response:
        response.raise_for_status()
        text = await response.text()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{sample.name} stands there twice"
            samples[key] = sample.value
    return Page(samples, text)


@dataclass(frozen=True)
class Operated:
    """A running gateway, and where its operator looks."""

    gateway: Served
    operator: Observability
    admin: AdminClient
    page_address: str

    async def page(self) -> Page:
        """Read the metrics when all calls are over: a caller may hear of the end before it is counted."""
        await self.gateway.calls.wait_idle()
        return await read_page(self.page_address)


@asynccontextmanager
async def operated(
    backends: Mapping[str, Backend], folder: Path, *, policy: str = POLICY, **options: object
) -> AsyncIterator[Operated]:
    """Run a gateway with metrics and admin service, whose models are all scripted."""
    host, _, port = free_address().partition(":")
    metrics = Address(host, int(port))
    address = parse_admin(f"unix:{folder / 'admin.sock'}")
    operator = Observability(place=WorkerIdentity(), admin=lambda _: address, metrics=metrics)
    async with (
        served(backends, policy=policy, operator=operator, **options) as gateway,  # type: ignore[arg-type]
        AdminClient(address.target) as admin,
    ):
        yield Operated(gateway, operator, admin, metrics.target)
