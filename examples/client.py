"""Ask a gateway one question: all that a client needs. To copy.

python examples/client.py 127.0.0.1:50051 "What is a hash table?"
"""

import sys

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc

server, question = sys.argv[1:3]
with grpc.insecure_channel(server) as channel:
    gateway = gateway_pb2_grpc.GatewayServiceStub(channel)
    request = pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=question)])
    try:
        answer = gateway.Generate(request, timeout=30)  # The deadline bounds all that is done for the call.
    except grpc.RpcError as error:
        info, status = ErrorInfo(), rpc_status.from_call(error)
        is_known = status is not None and any(detail.Unpack(info) for detail in status.details)
        sys.exit(f"{error.code().name} ({info.reason if is_known else 'no gateway'}): {error.details()}")

if answer.HasField("degraded"):  # No model answered: show the text, but do not store it as an answer.
    print(f"[{pb.Reason.Name(answer.degraded.reason)}] {answer.text}")
else:
    print(f"{answer.text}\n({pb.Route.Name(answer.route)}, {answer.model}, {answer.cost_usd} USD)")
