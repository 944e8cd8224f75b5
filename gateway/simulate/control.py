"""The endpoints under /control, by which a test or an operator controls the simulated provider."""

import dataclasses
import json
from typing import Protocol, cast

from aiohttp import web

from gateway.simulate.billing import Bill
from gateway.simulate.faults import Fault


class ReceivedRequest(Protocol):
    """A logged request."""

    @property
    def body(self) -> bytes:
        """The raw body."""
        ...


class Controlled(Protocol):
    """The simulated provider, as these endpoints use it."""

    def add_fault(self, model: str, fault: Fault) -> None:
        """Set a fault of a model."""
        ...

    def clear_faults(self) -> None:
        """Remove all faults."""
        ...

    def bill(self) -> Bill:
        """Return the bill since the start or the last reset."""
        ...

    def received(self) -> tuple[ReceivedRequest, ...]:
        """Return the logged requests."""
        ...

    def reset(self) -> None:
        """Delete faults, bill and logged requests."""
        ...


def add_control(app: web.Application, cloud: Controlled) -> None:
    """Add the control endpoints to `app`."""

    async def post_fault(request: web.Request) -> web.Response:
        try:
            cloud.add_fault(*_read_fault(await request.read()))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def delete_faults(_: web.Request) -> web.Response:
        cloud.clear_faults()
        return web.Response(status=204)

    async def get_bill(_: web.Request) -> web.Response:
        return web.json_response(dataclasses.asdict(cloud.bill()))

    async def get_received(_: web.Request) -> web.Response:
        return web.json_response({"bodies": [r.body.decode("utf-8", "replace") for r in cloud.received()]})

    async def post_reset(_: web.Request) -> web.Response:
        cloud.reset()
        return web.Response(status=204)

    app.router.add_post("/control/faults", post_fault)
    app.router.add_delete("/control/faults", delete_faults)
    app.router.add_get("/control/bill", get_bill)
    app.router.add_get("/control/received", get_received)
    app.router.add_post("/control/reset", post_reset)


def _read_fault(raw: bytes) -> tuple[str, Fault]:
    """Read `{"model", "fault", "value", "retry_after_s", "times"}`; raises ValueError."""
    fields = json.loads(raw)
    known = {"model", "fault", "value", "retry_after_s", "times"}
    if not isinstance(fields, dict) or not {"model", "fault"} <= set(fields) <= known:
        raise ValueError(
            f"a fault must be an object with model and fault, optionally {', '.join(sorted(known))}"
        )
    if not isinstance(fields["model"], str) or not isinstance(fields["fault"], str):
        raise ValueError("model and fault must be strings")
    for key in ("value", "retry_after_s"):
        number = fields.get(key)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"{key} must be a number")
    times = fields.get("times")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
        raise ValueError("times must be a whole number")
    return fields["model"], Fault(
        kind=fields["fault"],
        value=cast(float | None, fields.get("value")),
        retry_after_s=cast(float | None, fields.get("retry_after_s")),
        times=times,
    )
