"""Use every route of the compose stack: each line sets a fault, sends a request, and prints the result.

docker compose run --rm client

or, beside a gateway with policies/compose.yaml and its provider anywhere else:

python examples/every_route.py 127.0.0.1:50051 http://127.0.0.1:8181 --rounds 3
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.client import CallFailed, SyncGatewayClient, prompt
from gateway.v1 import gateway_pb2 as pb

EASY = "What is the capital of France?"
HARD = (
    "Prove that a uniform limit of continuous functions is continuous, then explain step by step why"
    " pointwise convergence is not enough and give a counterexample."
)
PRIVATE = (
    "Analyse step by step why the payment with card 4111 1111 1111 1111 was declined, compare three possible"
    " causes, and write to jane.doe@example.org with a proof for each."
)
CLOUD_ONLY = {"place": "cloud"}
"""The label for which a rule of policies/compose.yaml tries the cloud alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A request, the fault of the provider meanwhile, and the expected result."""

    title: str
    text: str
    expected: str
    fault: tuple[str, dict[str, float]] | None = None
    labels: dict[str, str] | None = None
    max_cost_usd: float | None = None
    is_streamed: bool = False


LINES: Sequence[Line] = (
    Line(title="easy", text=EASY, expected="LOCAL edge"),
    Line(title="easy, streamed", text=EASY, expected="LOCAL edge", is_streamed=True),
    Line(title="hard", text=HARD, expected="CLOUD cloud"),
    Line(title="hard, streamed", text=HARD, expected="CLOUD cloud", is_streamed=True),
    Line(title="hard, once more", text=HARD, expected="CLOUD cloud"),
    Line(title="hard and private: the cloud is refused", text=PRIVATE, expected="LOCAL edge"),
    Line(
        title="private, and the edge is no choice",
        text=PRIVATE,
        labels=CLOUD_ONLY,
        expected="CANNED CLEARANCE",
    ),
    Line(
        title="may cost nothing, and the edge is no choice",
        text=HARD,
        labels=CLOUD_ONLY,
        max_cost_usd=0.0,
        expected="CANNED BUDGET_EXHAUSTED",
    ),
    Line(
        title="the provider says 429, then heals",
        text=HARD,
        fault=("status", {"value": 429, "retry_after_s": 0.2, "times": 1}),
        expected="CLOUD cloud",
    ),
    Line(
        title="the provider says 503",
        text=HARD,
        fault=("status", {"value": 503}),
        expected="LOCAL edge",
    ),
    Line(
        title="the provider cuts a stream",
        text=HARD,
        fault=("cut", {"value": 3, "times": 1}),
        expected="LOCAL edge after a restart",
        is_streamed=True,
    ),
)


class Provider:
    """Client of the control API of a simulated provider."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/control/faults"

    def break_with(self, fault: tuple[str, dict[str, float]] | None) -> None:
        """Replace the fault of the provider."""
        self._send("DELETE", None)
        if fault is not None:
            self._send("POST", {"model": "*", "fault": fault[0], **fault[1]})

    def _send(self, method: str, body: object) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url, method=method, data=data)  # noqa: S310  # Ours.
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def ask(gateway: SyncGatewayClient, line: Line) -> tuple[str, pb.GenerateResponse]:
    """Return the result in the form of `expected`, and the answer."""
    request = prompt(line.text, max_tokens=64, labels=line.labels, max_cost_usd=line.max_cost_usd)
    restarts = 0
    if line.is_streamed:
        with gateway.stream(request, timeout_s=30) as events:
            restarts = sum(event.HasField("restart") for event in events)
        answer = events.answer
    else:
        answer = gateway.generate(request, timeout_s=30)
    route = pb.Route.Name(answer.route).removeprefix("ROUTE_")
    reason = pb.Reason.Name(answer.degraded.reason).removeprefix("REASON_")
    came = f"{route} {reason if answer.HasField('degraded') else answer.model}"
    return came + (" after a restart" if restarts else ""), answer


def play(gateway: SyncGatewayClient, provider: Provider) -> Iterator[bool]:
    """Run every line once; yield whether the result is as expected."""
    for line in LINES:
        provider.break_with(line.fault)
        try:
            came, answer = ask(gateway, line)
            cost = f"{answer.cost_usd:.6f} USD"
        except CallFailed as error:
            came, cost = f"{error}; {error.hint}", ""
        finally:
            provider.break_with(None)
        is_right = came == line.expected
        note = "" if is_right else f"   NOT AS EXPECTED: {line.expected}"
        print(f"{line.title:<44} {came:<28} {cost}{note}".rstrip(), flush=True)
        yield is_right


def main() -> None:
    """Run all rounds; exit 0 if every result is as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("server", help="the gateway, HOST:PORT")
    parser.add_argument("provider", help="the simulated provider, http://HOST:PORT")
    parser.add_argument(
        "--rounds", type=int, default=1, help="how often, so that a board has something to show"
    )
    arguments = parser.parse_args()
    provider = Provider(arguments.provider)
    with SyncGatewayClient(arguments.server) as gateway:
        results = [right for _ in range(arguments.rounds) for right in play(gateway, provider)]
    if not all(results):
        sys.exit(f"{results.count(False)} of {len(results)} lines came out otherwise")
    print(f"all {len(results)} lines as expected")


if __name__ == "__main__":
    main()
