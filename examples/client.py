"""Ask a gateway one question. To copy.

python examples/client.py 127.0.0.1:50051 "What is a hash table?"
"""

import sys

from gateway.client import CallFailed, SyncGatewayClient, prompt
from gateway.v1 import gateway_pb2 as pb

if len(sys.argv) != 3:
    sys.exit(__doc__)
server, question = sys.argv[1:]
with SyncGatewayClient(server) as gateway:
    try:
        answer = gateway.generate(prompt(question), timeout_s=30)  # Deadline of the whole call.
    except CallFailed as error:
        sys.exit(f"{error}; {error.hint}")

if answer.HasField("degraded"):  # No model answered: show the text, but do not store it as an answer.
    print(f"[{pb.Reason.Name(answer.degraded.reason)}] {answer.text}")
else:
    print(f"{answer.text}\n({pb.Route.Name(answer.route)}, {answer.model}, {answer.cost_usd} USD)")
