"""Ask a question and rate the answer, for gateway learn. To copy.

python examples/feedback.py 127.0.0.1:50051 "What is the capital of France?"

The gateway records the rating if it runs with --decisions FILE.
"""

import sys

from gateway.client import CallFailed, SyncGatewayClient, prompt

if len(sys.argv) != 3:
    sys.exit(__doc__)
server, question = sys.argv[1:]
with SyncGatewayClient(server) as gateway:
    try:
        answer = gateway.generate(prompt(question), timeout_s=30)
        print(answer.text, flush=True)
        score = float(input("How good is it, from 0 to 1? "))
        gateway.submit_feedback(answer.request_id, score)
    except CallFailed as error:
        sys.exit(f"{error}; {error.hint}")
print(f"\nnoted: {score:g} for request {answer.request_id}")
