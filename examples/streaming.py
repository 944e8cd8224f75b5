"""Print an answer as it arrives, over TLS if GATEWAY_TLS_CA names an authority. To copy.

python examples/streaming.py 127.0.0.1:50051 "What is a hash table?"
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.client import CallFailed, ClientTls, GatewayClient, StreamIncomplete, prompt
from gateway.v1 import gateway_pb2 as pb

CA, KEY = os.environ.get("GATEWAY_TLS_CA"), os.environ.get("GATEWAY_API_KEY")
TLS = ClientTls(ca=Path(CA).read_bytes()) if CA else None


async def main(server: str, question: str) -> None:
    """Send the question, and print every delta when it arrives."""
    async with GatewayClient(server, tls=TLS, api_key=KEY) as gateway:
        # Leaving `async with` early cancels the call, and so stops the model.
        async with gateway.stream(prompt(question), timeout_s=30) as events:
            async for event in events:
                match event.WhichOneof("event"):
                    case "delta":
                        print(event.delta.text, end="", flush=True)
                    case "restart":  # Another model starts again: events.text is empty.
                        print(f"\n[void: {pb.Reason.Name(event.restart.reason)}]")
        answer = events.answer  # A stream that ends without it raises StreamIncomplete.
    if answer.HasField("degraded"):
        print(f"[{pb.Reason.Name(answer.degraded.reason)}] {answer.text}")
    else:
        print(f"\n({pb.Route.Name(answer.route)}, {answer.model}, {answer.cost_usd} USD)")


if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except StreamIncomplete as cut:
    sys.exit(f"\nthe answer is not complete: {cut}")
except CallFailed as failed:
    sys.exit(f"{failed}; {failed.hint}")
