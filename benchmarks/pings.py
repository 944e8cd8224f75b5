"""Real clients that ping every 10, 20 and 30 s through calls in which nothing else is heard.

Run: python -m benchmarks.pings [SECONDS]; the calls are silent for that long, 200 s unless said otherwise.
"""

import asyncio
import sys
import time

import grpc

from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.policies import POLICY
from tests.support.served import ask, served

PING_EVERY_S = (10, 20, 30)
SILENT_S = 200.0


async def main(silent_s: float) -> int:
    """Print how each call ended; return 1 if one did not end well."""
    longer_s = 2 * silent_s + 60  # Half of it is for the first model, since another follows.
    policy = POLICY.replace("default: 5, max: 10", f"default: {longer_s}, max: {longer_s}").replace(
        "attempts: 1", f"attempts: 1, attempt_s: {longer_s}, first_token_s: {longer_s}"
    )
    model = ScriptedBackend("edge", lambda _: [Delay(silent_s), reply("fine")])
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        asked = [
            _ask(gateway.server.target, every_s=every_s, is_streamed=is_streamed)
            for every_s in PING_EVERY_S
            for is_streamed in (False, True)
        ]
        return 0 if all(await asyncio.gather(*asked)) else 1


async def _ask(target: str, *, every_s: int, is_streamed: bool) -> bool:
    options = [
        ("grpc.keepalive_time_ms", every_s * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    began_s = time.monotonic()
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        try:
            if is_streamed:
                request = pb.StreamGenerateRequest.FromString(ask().SerializeToString())
                text = [event async for event in stub.StreamGenerate(request)][-1].completed.text
            else:
                text = (await stub.Generate(ask())).text
        except grpc.aio.AioRpcError as error:
            text = f"{error.code().name}: {error.details()}"
    kind = "streamed" if is_streamed else "unary"
    print(f"{kind:8}  ping every {every_s} s  silent {time.monotonic() - began_s:5.0f} s  {text}", flush=True)
    return text == "fine"


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else SILENT_S)))
