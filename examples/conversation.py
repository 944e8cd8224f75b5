"""Hold a conversation: the caller keeps the messages and sends them all each time. To copy.

python examples/conversation.py 127.0.0.1:50051

Each line of standard input is a turn; its end (Ctrl-D) ends the conversation.
"""

import sys

from gateway.client import CallFailed, SyncGatewayClient
from gateway.v1 import gateway_pb2 as pb

if len(sys.argv) != 2:
    sys.exit(__doc__)
request = pb.GenerateRequest(
    messages=[pb.Message(role=pb.ROLE_SYSTEM, content="Answer in one sentence.")],
    config=pb.GenerationConfig(max_tokens=128),
)
with SyncGatewayClient(sys.argv[1]) as gateway:
    for line in sys.stdin:
        request.messages.add(role=pb.ROLE_USER, content=line.strip())
        try:
            answer = gateway.generate(request, timeout_s=30)
        except CallFailed as error:
            sys.exit(f"{error}; {error.hint}")
        print(answer.text, flush=True)
        if answer.HasField("degraded"):  # A canned reply is no part of the conversation.
            del request.messages[-1]
        else:
            request.messages.append(answer.message)
