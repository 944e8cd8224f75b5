"""How to generate: the members of a chat completion that say it."""

from typing import Final

from gateway.domain.conversation import ReasoningConfig, ReasoningEffort
from gateway.domain.request import GenerationConfig
from gateway.errors import InvalidRequest
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.tool_fields import tool_choice_of, tools_of
from gateway.server.http.compact_json import compact_json
from gateway.server.http.members import Members

EFFORTS: Final = {each.value: each for each in ReasoningEffort} | {"max": ReasoningEffort.XHIGH}
FORMATS: Final = {"text": "text", "json_object": "json_object", "json_schema": "json_schema"}


def config_of(members: Members, section: HttpPolicy) -> GenerationConfig:
    """Return how to generate; raises InvalidRequest."""
    schema, is_object = _format(members)
    return GenerationConfig(
        max_tokens=_max_tokens(members),
        temperature=members.number("temperature"),
        top_p=members.number("top_p"),
        seed=members.integer("seed"),
        stop=_stops(members),
        json_schema=schema,
        json_object=is_object,
        tools=tools_of(members, section),
        tool_choice=tool_choice_of(members),
        parallel_tool_calls=members.flag("parallel_tool_calls"),
        reasoning=_reasoning(members),
        top_k=members.integer("top_k"),
        min_p=members.number("min_p"),
        frequency_penalty=members.number("frequency_penalty"),
        presence_penalty=members.number("presence_penalty"),
        logit_bias=_biases(members),
        top_logprobs=_top_logprobs(members),
    )


def _max_tokens(members: Members) -> int | None:
    both = [members.integer(name) for name in ("max_completion_tokens", "max_tokens")]
    given = [each for each in both if each is not None]
    if len(set(given)) > 1:
        raise InvalidRequest("max_tokens", "must not differ from max_completion_tokens")
    return given[0] if given else None


def _stops(members: Members) -> tuple[str, ...]:
    value = members.value("stop")
    stops = [value] if isinstance(value, str) else members.items("stop")
    for i, stop in enumerate(stops):
        if not isinstance(stop, str):
            raise InvalidRequest(f"stop[{i}]", "must be a string")
    return tuple(stops)


def _biases(members: Members) -> dict[int, float]:
    biases = members.members("logit_bias")
    if biases is None:
        return {}
    found: dict[int, float] = {}
    for token in biases.values:
        bias = biases.number(token)
        if not (token.isascii() and token.isdecimal() and len(token) <= len(str(2**31))):
            raise InvalidRequest("logit_bias", "must have ids of tokens as its keys")
        if bias is not None:
            found[int(token)] = bias
    return found


def _top_logprobs(members: Members) -> int | None:
    wanted, top = members.flag("logprobs"), members.integer("top_logprobs")
    if wanted:
        return top or 0
    if top:
        raise InvalidRequest("top_logprobs", "needs logprobs: true")
    return None


def _format(members: Members) -> tuple[str | None, bool]:
    """Return the JSON schema of the answer, and whether it is to be any JSON object."""
    form = members.members("response_format")
    if form is None:
        return None, False
    kind = form.needed("type", FORMATS)
    if kind != "json_schema":
        form.refuse_rest()
        return None, kind == "json_object"
    named = form.needed_members("json_schema")
    schema = dict(named.needed_members("schema").values)
    description = named.text("description")
    if description:
        schema.setdefault("description", description)
    named.flag("strict")  # The schema is kept to in any case.
    named.text("name")
    named.refuse_rest()
    form.refuse_rest()
    return compact_json(schema), False


def _reasoning(members: Members) -> ReasoningConfig:
    """Return how much to think: `reasoning_effort`, or `reasoning` as OpenRouter has it."""
    effort = members.known("reasoning_effort", EFFORTS)
    own = members.members("reasoning")
    if own is None:
        return ReasoningConfig(effort=effort)
    found = ReasoningConfig(
        effort=own.known("effort", EFFORTS) or effort,
        budget_tokens=own.integer("max_tokens"),
        hide=own.flag("exclude") or False,
    )
    own.refuse_rest()
    return found
