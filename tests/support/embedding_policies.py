"""A policy with models of two vector spaces, and scripted models for it."""

from collections.abc import Sequence

import numpy as np

from gateway.backends.base import Call
from gateway.clock import SystemClock
from gateway.domain.answer import FinishReason, Reply, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import RoutingState
from gateway.domain.request import EmbeddingConfig, Request
from gateway.domain.vectors import scaled
from gateway.pipeline.assessor import Assessor
from gateway.policy.loading.load import parse_policy
from gateway.routing import Decider
from gateway.testing.scripted import ScriptedBackend

SMALL = "{space: small-v1, dimensions: 4, shortens: true}"
POLICY = f"""
version: 1
models:
  edge: {{kind: llama_cpp, path: "builtin:demo", clearance: restricted}}
  near: {{kind: llama_cpp, path: near.gguf, clearance: restricted, embeds: {SMALL}}}
  far: {{kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal, embeds: {SMALL},
        price_per_million_usd: {{input: 2, output: 0}}}}
  large: {{kind: openai, model: l, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          embeds: {{space: large-v1, dimensions: 8}}, price_per_million_usd: {{input: 9, output: 0}}}}
aliases: {{text-embedding-3-small: far}}
rules:
  - {{name: vectors, when: is_embedding, route: [near, far, large]}}
  - {{name: default, route: [edge]}}
resilience: {{attempts: 1, deadline_s: {{default: 5, max: 10}}}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
ONE_SPACE = POLICY.replace("space: large-v1, dimensions: 8", "space: small-v1, dimensions: 4")
"""The same with a single vector space."""
DIMENSIONS = {"near": 4, "far": 4, "large": 8}


def chain_of_another_space() -> tuple[str, ...]:
    """Return the models that would be asked for a space to which the rule does not route: none may be."""
    elsewhere = POLICY.replace("route: [near, far, large]", "route: [large]")
    policy, clock = parse_policy(elsewhere, name="p"), SystemClock()
    request = Request(
        request_id="r",
        tenant="t",
        messages=(Message(role=Role.USER, content="hello"),),
        model="small-v1",
        embedding=EmbeddingConfig(),
    )
    routing_input = Assessor(policy, clock=clock).assess(request)
    return Decider(policy).decide(routing_input, RoutingState(deadline_s=9.0)).chain


def vectors(texts: Sequence[str], dimensions: int) -> tuple[bytes, ...]:
    """Return a vector for each text: its length, and ones."""
    return tuple(
        scaled(np.array([len(text), *([1.0] * (dimensions - 1))], dtype=np.float32)) for text in texts
    )


def embedder(name: str, *failures: Exception) -> ScriptedBackend:
    """Return a model that fails so often, then embeds; a token is a character."""
    left = list(failures)

    def step(call: Call) -> Reply | Exception:
        if left:
            return left.pop(0)
        assert call.request.embedding is not None
        texts = [message.text for message in call.request.messages]
        usage = Usage(prompt_tokens=sum(map(len, texts)), completion_tokens=0)
        wanted = call.request.embedding.dimensions or DIMENSIONS[name]
        return Reply(text="", finish_reason=FinishReason.STOP, usage=usage, vectors=vectors(texts, wanted))

    return ScriptedBackend(name, step)
