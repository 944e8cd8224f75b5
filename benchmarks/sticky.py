"""What agents cost and wait, where a model stays in a conversation and where each turn is routed by itself.

    python benchmarks/sticky.py [--conversations 6] [--turns 60] [--tokens 64000] [--json]

Agents call tools in turns, and send all again each time; at the end a prompt has so many tokens. How hard a
turn looks is drawn, since the last message says little of it: hard turns go to the cloud first, others to
the edge. Routing and sessions are those of the gateway; the models are simulated. The cloud has the prompt
cache and the prices of `gateway simulate-cloud`: a cached token costs a tenth. The edge keeps the prompts of
its last `--edge-keeps` conversations, and reads what is new of one at `--edge-speed` tokens a second, as the
cloud does at `--cloud-speed`, after `--cloud-rtt` seconds. Times are computed from these, not measured.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway.clock import SystemClock
from gateway.domain.answer import FinishReason
from gateway.domain.conversation import Message, Role, Text, ToolCall, ToolResult
from gateway.domain.decision import RequestTexts, RoutingInput, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.signals import signals_of
from gateway.domain.strings import estimate_prompt_tokens
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.routing import Decider
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sessions import Sessions
from gateway.simulate.prompt_cache import SeenPrompts
from tests.support.conversations import answer_of

POLICY = """\
version: 1
models:
  edge:  {{kind: llama_cpp, path: "builtin:demo", clearance: restricted, context: 131072, tools: true}}
  cloud: {{kind: openai, model: m, clearance: restricted, context: 400000,
          price_per_million_usd: {{input: 1.25, cached_input: 0.125, output: 10}}}}
rules:
  - {{name: hard, when: 'complexity >= 0.5', route: [cloud, edge]{trim}}}
  - {{name: easy, route: [edge, cloud]{trim}}}
sessions: {{sticky: {sticky}, switch_margin: 0.15}}
replies: [{{id: sorry, text: x}}]
"""
ARMS = {
    "each turn by itself": ("none", ""),
    "tool_loop": ("tool_loop", ""),
    "conversation": ("conversation", ""),
    "tool_loop, results shortened above 16,000": (
        "tool_loop",
        ", context: {trim: tool_results, above_tokens: 16000}",
    ),
}
SYSTEM_TOKENS = 2_000
CALL_TOKENS = 60
ASKS_EVERY = 12
"""The user says something once in so many turns; the others bring results of tools."""


@dataclass
class Speeds:
    """How quickly models read a prompt, in tokens a second, and how many prompts the edge keeps."""

    edge: float
    cloud: float
    cloud_rtt_s: float
    edge_keeps: int


@dataclass(kw_only=True)
class Found:
    """What one way to route cost and took."""

    arm: str
    usd: float = 0.0
    prompt_tokens: int = 0
    cloud_turns: int = 0
    edge_turns: int = 0
    switches: int = 0
    first_token_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """Return the row of the table."""
        times = sorted(self.first_token_s)
        return {
            **{name: value for name, value in asdict(self).items() if name != "first_token_s"},
            "first_token_mean_s": statistics.fmean(times),
            "first_token_p50_s": times[len(times) // 2],
            "first_token_p95_s": times[len(times) * 95 // 100],
        }


class Edge:
    """Keeps the prompts of its last conversations."""

    def __init__(self, keeps: int) -> None:
        self._kept: OrderedDict[str, Sequence[Message]] = OrderedDict()
        self._keeps = keeps

    def known_tokens(self, request: Request) -> int:
        """Return how many tokens of a prompt are kept, and keep it."""
        before = self._kept.pop(request.session_id, ())
        same = 0
        while same < min(len(before), len(request.messages)) and before[same] == request.messages[same]:
            same += 1
        self._kept[request.session_id] = request.messages
        if len(self._kept) > self._keeps:
            self._kept.popitem(last=False)
        return sum(map(_tokens, request.messages[:same]))


def _tokens(message: Message) -> int:
    return estimate_prompt_tokens(Request(request_id="r", tenant="t", messages=(message,)))


def text_of(tokens: int, rng: random.Random) -> str:
    """Return a text of about so many tokens that no other one begins like."""
    return f"{rng.getrandbits(64):x} " + "word " * max(1, (tokens * 4 - 17) // 5)


class Agent:
    """One conversation, as its client keeps it."""

    def __init__(self, number: int, *, turns: int, tokens: int) -> None:
        self._rng = random.Random(number)
        self._result_tokens = (tokens - SYSTEM_TOKENS) // turns - CALL_TOKENS
        self._name = f"s{number}"
        self._messages = [
            Message(role=Role.SYSTEM, content=text_of(SYSTEM_TOKENS, self._rng)),
            Message(role=Role.USER, content=text_of(self._result_tokens, self._rng)),
        ]

    def request(self) -> Request:
        """Return the next request."""
        return Request(request_id="r", tenant="acme", session_id=self._name, messages=tuple(self._messages))

    def complexity(self) -> float:
        """Return how hard the next turn looks."""
        return min(1.0, max(0.0, self._rng.gauss(0.45, 0.2)))

    def answer(self, turn: int) -> Message:
        """Return a model's answer, and take it into the conversation with what follows."""
        call = ToolCall(id=f"call-{self._name}-{turn:04}", name="look", arguments_json='{"at": "there"}')
        said = Message(role=Role.ASSISTANT, parts=(Text("I look " + "there " * 30), call))
        text = text_of(self._result_tokens, self._rng)
        result = ToolResult(tool_call_id=call.id, parts=(Text(text),))
        self._messages += [said, Message(role=Role.TOOL, parts=(result,))]
        if turn % ASKS_EVERY == ASKS_EVERY - 1:
            self._messages.append(Message(role=Role.USER, content="Go on with the next file."))
        return said


async def play(arm: str, policy: Policy, agents: Sequence[Agent], turns: int, speeds: Speeds) -> Found:
    """Play all conversations, a turn of each in turn."""
    found, decider = Found(arm=arm), Decider(policy)
    sessions = Sessions(MemorySessions(clock=SystemClock()), restricts_when_lost=False, clock=SystemClock())
    cloud, edge = SeenPrompts(), Edge(speeds.edge_keeps)
    last: dict[str, str] = {}
    for turn in range(turns):
        for agent in agents:
            request = agent.request()
            begun = await sessions.begin(request, policy)
            decision = decider.decide(
                _facts(request, agent.complexity()), RoutingState(deadline_s=60.0, session=begun.state)
            )
            model = decision.chain[0]
            sent = decision.as_sent(request, model)
            _account(found, model, sent, policy, cloud=cloud, edge=edge, speeds=speeds)
            found.switches += last.get(request.session_id, model) != model
            last[request.session_id] = model
            begun = await sessions.note_decision(begun, request, decision, policy)
            await sessions.note_answer(
                begun, request, answer_of(decision, agent.answer(turn), FinishReason.TOOL_CALLS), policy
            )
    return found


def _facts(request: Request, complexity: float) -> RoutingInput:
    return RoutingInput(
        complexity=complexity,
        privacy=0.0,
        privacy_class=PrivacyClass.PUBLIC,
        privacy_reason="score",
        findings=(),
        tenant=request.tenant,
        labels={},
        prompt_tokens=estimate_prompt_tokens(request),
        masked_classes={},
        signals=signals_of(request),
        texts=RequestTexts(request=request, masked={}, findings=()),
    )


def _account(
    found: Found, model: str, sent: Request, policy: Policy, *, cloud: SeenPrompts, edge: Edge, speeds: Speeds
) -> None:
    tokens = [_tokens(message) for message in sent.messages]
    whole = sum(tokens)
    found.prompt_tokens += whole
    if model == "edge":
        found.edge_turns += 1
        found.first_token_s.append((whole - edge.known_tokens(sent)) / speeds.edge)
        return
    found.cloud_turns += 1
    blocks = ["".join((message.role, *_texts(message))) for message in sent.messages]
    cached, _ = cloud.look_up("cloud", blocks, tokens)
    price = policy.models["cloud"].token_price
    assert price is not None
    assert price.cached_input is not None
    paid = (whole - cached) * price.input + cached * price.cached_input + CALL_TOKENS * price.output
    found.usd += float(paid) / 1_000_000
    found.first_token_s.append(speeds.cloud_rtt_s + (whole - cached) / speeds.cloud)


def _texts(message: Message) -> list[str]:
    results = [part for result in message.tool_results for part in result.parts]
    return [part.text for part in (*message.all_parts, *results) if isinstance(part, Text)]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--conversations", type=int, default=6)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=64_000)
    parser.add_argument("--edge-speed", type=float, default=1_500.0)
    parser.add_argument("--cloud-speed", type=float, default=10_000.0)
    parser.add_argument("--cloud-rtt", type=float, default=0.4)
    parser.add_argument("--edge-keeps", type=int, default=8, help="conversations whose prompt the edge keeps")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    speeds = Speeds(arguments.edge_speed, arguments.cloud_speed, arguments.cloud_rtt, arguments.edge_keeps)
    rows = []
    for arm, (sticky, trim) in ARMS.items():
        policy = parse_policy(POLICY.format(sticky=sticky, trim=trim), name="p")
        agents = [
            Agent(number, turns=arguments.turns, tokens=arguments.tokens)
            for number in range(arguments.conversations)
        ]
        found = asyncio.run(play(arm, policy, agents, arguments.turns, speeds))
        rows.append(found.figures())
    if arguments.json:
        print(json.dumps(rows))
        return
    table = Table("sticky", "USD", "tokens", "at the edge", "switches", "first token: mean", "p50", "p95")
    for row in rows:
        share = float(str(row["edge_turns"])) / (arguments.conversations * arguments.turns)
        times = (f"{row[f'first_token_{name}_s']:.2f} s" for name in ("mean", "p50", "p95"))
        table.add_row(
            str(row["arm"]),
            f"{row['usd']:.2f}",
            f"{row['prompt_tokens']:,}",
            f"{share:.0%}",
            str(row["switches"]),
            *times,
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
