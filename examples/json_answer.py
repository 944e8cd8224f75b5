"""Get an answer that fits a JSON schema, enforced by the engine's grammar or the provider. To copy.

python examples/json_answer.py 127.0.0.1:50051 "I waited an hour and the soup was cold."
"""

import json
import sys

from gateway.client import CallFailed, SyncGatewayClient
from gateway.v1 import gateway_pb2 as pb

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "urgent": {"type": "boolean"}},
    "required": ["mood", "urgent"],
    "additionalProperties": False,
}

if len(sys.argv) != 3:
    sys.exit(__doc__)
server, text = sys.argv[1:]
request = pb.GenerateRequest(
    messages=[pb.Message(role=pb.ROLE_USER, content=f"How is the mood of this text? {text}")],
    config=pb.GenerationConfig(json_schema=json.dumps(SCHEMA), max_tokens=64, temperature=0.0),
    hints=pb.Hints(allow_degraded=False),  # A canned reply is no JSON, so prefer an error.
)
with SyncGatewayClient(server) as gateway:
    try:
        answer = gateway.generate(request, timeout_s=30)
    except CallFailed as error:
        sys.exit(f"{error}; {error.hint}")
if answer.finish_reason == pb.FINISH_REASON_LENGTH:
    sys.exit("the answer is cut at max_tokens, so it is no whole JSON; allow more")
found = json.loads(answer.text)
print(f"mood {found['mood']}, urgent {found['urgent']} (by {answer.model})")
