"""Requests with values that may or may not go masked, and what a policy decides of them."""

import dataclasses
from collections.abc import Sequence
from random import Random

from gateway.clock import Deadline
from gateway.domain.conversation import Message, Part, Reasoning, Role
from gateway.domain.decision import Decision, RoutingState, Scores
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.loading.load import parse_policy
from gateway.privacy import PrivacyScorer
from gateway.privacy.detector import Match
from gateway.privacy.masking.masker import MAX_VALUES, Masker
from gateway.privacy.masking.placeholders import new_tag
from gateway.privacy.scorer import DEFAULT_DETECTORS
from gateway.testing.scripted import reply
from tests.support.decisions import decide
from tests.support.dispatch_doubles import Bench
from tests.support.fakes import FakeClock
from tests.support.requests import request_of
from tests.support.virtual_time import LoopClock, virtual_time

POLICY = parse_policy(
    """\
version: 1
models:
  edge:   {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud:  {kind: openai, model: a, clearance: internal, price_per_million_usd: {input: 1, output: 1},
           mask: [EMAIL, PHONE, PERSON], modalities: [text, image]}
  public: {kind: openai, model: b, clearance: public, price_per_million_usd: {input: 1, output: 1},
           mask: [EMAIL]}
  plain:  {kind: openai, model: c, clearance: internal, price_per_million_usd: {input: 1, output: 1}}
privacy: {weights: {PERSON: 0.6}}
rules: [{name: default, route: [cloud, public, plain, edge]}]
replies: [{id: sorry, text: x}]
""",
    name="p",
)


MAIL, PHONE = "jane.roe@example.org", "+44 20 7946 0958"


TAG = new_tag((), Random(0)) or ""
"""What `decided` draws first."""


class Marked:
    """Finds what a test marks: `[PERSON:Jane Roe]` surely, `(PERSON:Jane Roe)` not surely.

    Of `{PERSON:Jane Roe}` only the first; and `[IP:x]` surely only where a person named host is near.
    """

    types = ("PERSON", "NATIONAL_ID", "IP")

    def find(self, text: str) -> Sequence[Match]:
        """Return every place that is marked."""
        found = []
        for kind in self.types:
            for opening, closing, confidence in (("[", "]", 0.9), ("(", ")", 0.3)):
                at = text.find(f"{opening}{kind}:")
                while at >= 0:
                    end = text.index(closing, at)
                    is_near = kind != "IP" or "[PERSON: host" in text
                    sure = confidence if is_near else 0.1
                    found.append(Match(type=kind, start=at, end=end + 1, confidence=sure))
                    at = text.find(f"{opening}{kind}:", end)
        if "PERSONBEGIN" in text:
            span = text.index("PERSONBEGIN"), text.index("PERSONEND") + len("PERSONEND")
            found.append(Match(type="PERSON", start=span[0], end=span[1], confidence=0.9))
        at = text.find("{PERSON:")
        if at >= 0:
            found.append(Match(type="PERSON", start=at, end=text.index("}", at) + 1, confidence=0.5))
        return found


def decided(request: Request, *, marked: bool = False, seed: int = 0) -> Decision:
    """Score, mask and decide."""
    detectors = (*DEFAULT_DETECTORS, Marked()) if marked else DEFAULT_DETECTORS
    privacy = PrivacyScorer(POLICY.privacy, clock=FakeClock(), detectors=detectors).score(request)
    masker = Masker(POLICY, clock=FakeClock(), detectors=detectors, rng=Random(seed))
    masked = masker.masked(request, privacy)
    return decide(
        request,
        scores=Scores(complexity=0.0, privacy=privacy.score, budget=0.0),
        privacy=privacy,
        policy=POLICY,
        state=RoutingState(deadline_s=60.0),
        masked=masked,
    )


def _said(part: Part) -> Request:
    """Return a conversation in which a model said one part."""
    user, model = request_of("hello").messages, Message(role=Role.ASSISTANT, parts=(part,))
    return dataclasses.replace(request_of("hello"), messages=(*user, model))


LIST = " ".join(f"user{n}@example.org" for n in range(20))


STAYS: dict[str, Request] = {
    "another type": request_of(f"{MAIL} and card 4111 1111 1111 1111"),
    "the hint": request_of(f"write to {MAIL}.", hint=PrivacyClass.CONFIDENTIAL),
    "in stop": request_of(f"write to {MAIL}.", config=GenerationConfig(stop=(PHONE,))),
    "in the schema": request_of(f"to {MAIL}", config=GenerationConfig(json_schema=f'{{"title": "{PHONE}"}}')),
    "stop cuts placeholders": request_of(f"write to {MAIL}.", config=GenerationConfig(stop=("_",))),
    "full-width digits": request_of("call \uff0b44 20 7946 0958."),
    "an invisible mark inside": request_of("write to jane.roe\u200b@example.org."),
    "the value stands elsewhere": request_of("greet [PERSON:zed qu], in short [person:zed qu]."),
    "unsure": request_of("greet [PERSON: jane roe ] and (PERSON: al li )."),
    "a word of the name stands elsewhere": request_of("greet [PERSON: qorv roe ], for qorv likes tea."),
    "overlaps": request_of("greet PERSONBEGIN al jane.PERSONENDroe@example.org."),
    "is something else as well": request_of("greet [PERSON: jane [NATIONAL_ID:77 123] roe ]."),
    "found only after the first was masked": request_of(
        f"write to {MAIL} for {{PERSON:zed}} and {{PERSON:qux}}."
    ),
    "context for something else": request_of("greet [PERSON: host al ] on [IP:x]."),
    "more than is looked for": request_of(" ".join(f"[PERSON: a{n}]" for n in range(MAX_VALUES + 1))),
    "a quote inside JSON": request_of('[PERSON: j"r ]', config=GenerationConfig(json_schema="{}")),
    "a lone surrogate": request_of(f"{MAIL} \ud800"),
    "a signed thought alone": _said(Reasoning(text=f"to {MAIL}", model="cloud", opaque=b"c2ln")),
}  # fmt: skip


def check_a_closed_verdict_stays_closed(number: int) -> None:
    """A detector that fails the first time and works the next lets nothing go."""

    class Once:
        types = ("VEHICLE",)

        def __init__(self) -> None:
            self.calls = 0

        def find(self, text: str) -> Sequence[Match]:
            self.calls += 1
            if self.calls == number + 1:
                raise ValueError(text)
            return []

    detectors = (*DEFAULT_DETECTORS, Once())
    request = request_of(f"Write to {MAIL}.")
    privacy = PrivacyScorer(POLICY.privacy, clock=FakeClock(), detectors=detectors).score(request)
    assert Masker(POLICY, clock=FakeClock(), detectors=detectors).masked(request, privacy) == {}


@virtual_time
async def check_values_never_cross_requests() -> None:
    """Another request's answer that names the same placeholder is left as it is, masked or not."""
    config = GenerationConfig(max_tokens=10)
    first = request_of(f"Write to {MAIL}.", config=config)
    masked = request_of("Write to another@example.org.", config=config)
    plain = request_of("Write to nobody.", config=config)
    word = f"EMAIL_1_{TAG}"
    bench = Bench({"cloud": [reply(word)], "edge": [reply("x")]}, clock=LoopClock())
    for seed, request, said in ((0, first, MAIL), (1, masked, word), (0, plain, word)):
        decision = dataclasses.replace(decided(request, seed=seed), chain=("cloud",))
        deadline = Deadline.after(60.0, bench.clock)
        answer = await bench.dispatcher.generate(request, decision, policy=POLICY, deadline=deadline)
        assert answer.text == said


FIRST_VALUES = {f"email_1_{TAG.lower()}": MAIL}
