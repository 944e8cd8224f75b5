"""A refusal means the same in every wording and shape: what is a key, a quota, a filter, a length."""

import json
from collections.abc import Callable

import pytest

from gateway.backends.http.errors import error_event, refused
from gateway.backends.http.refusal_body import is_error
from gateway.domain.decision import Reason
from gateway.errors import (
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendMisfit,
    BackendModelMissing,
    BackendOverloaded,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BreakerVerdict,
    Charge,
    ContentFiltered,
    ContextTooLong,
    JsonNotAsked,
    NotCapable,
)
from gateway.policy.anthropic import AnthropicModel
from gateway.policy.model import OpenAIModel
from gateway.policy.provider_url import UrlModel
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, event_stream, http, streamed, whole

WORDINGS: list[tuple[type[BackendError], str]] = [
    *(
        (ContextTooLong, words)
        for words in (
            "This model's maximum context length is 8192 tokens, but 9001 were requested.",
            "prompt is too long: 301223 tokens > 200000 maximum",
            "Input is too long for requested model.",
            "input length and `max_tokens` exceed context limit: 180000 + 32000 > 200000",
            "The input token count (1200345) exceeds the maximum number of tokens allowed (1048575).",
            "Prompt contains 41000 tokens, too large for model with 32768 maximum context length",
            "Please reduce the length of the messages or completion.",
            "the request exceeds the available context size, try increasing it",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
            "Your request exceeded model token limit: 131072 (requested: 140110)",
            "invalid params, context window exceeds limit (2013)",
            "Range of input length should be [1, 30720]",
            "tokens in request more than max tokens allowed",
            "The prompt (length 7001) is longer than the maximum model length of 4096.",
            "Requested token count exceeds the model's maximum context length of 32768 tokens.",
            "This endpoint's maximum context length is 65536 tokens. You asked for about 70001.",
            "prompt too long; exceeded max context length by 312 tokens",
            "Sequence length 6001 is over the sequence limit of this deployment",
            "too many tokens in the conversation",
            "Prompt has 90,112 tokens, but the configured context size is 65,536 tokens",
            "输入过长",
        )
    ),
    *(
        (ContentFiltered, words)
        for words in (
            "The response was filtered due to the prompt triggering our content management policy.",
            "Your input was flagged as potentially violating our usage policy.",
            "Content Exists Risk",
            "Output blocked by content filtering policy",
            "Your request was rejected as a result of our safety system.",
            "Input data may contain inappropriate content.",
            "Request blocked by guardrail g-17",
            "400 - Input Filter: Prompt filtered due to safety violations",
            "The prompt violates the acceptable use guidelines of this service",
            "系统检测到输入或生成内容可能包含不安全或敏感内容",
        )
    ),
    *(
        (BackendCredentials, words)
        for words in (
            "API key not valid. Please pass a valid one.",
            "Incorrect API key provided.",
            "invalid x-api-key",
            "No API key was provided in the request",
            "Your api key has expired",
            "You do not have access to this project's models",
            "User location is not supported for the API use.",
            "The security token included in the request is invalid.",
            "Authentication failed: bearer token malformed",
            "Your account has been suspended",
            "无效的令牌",
        )
    ),
    *(
        (BackendQuotaUsedUp, words)
        for words in (
            "Your credit balance is too low to use this API.",
            "Insufficient Balance",
            "You have run out of credits: 0 credits left, add credits to continue",
            "Monthly spending limit reached",
            "Your quota of tokens has been reached for this plan",
            "Billing is not enabled for this workspace",
            "Payment required",
            "账户余额不足",
        )
    ),
    *(
        (BackendRateLimited, words)
        for words in (
            "Rate limit reached for requests",
            "Too many requests, please slow down",
            "Request was throttled",
            "Limit of 40 requests per minute is exceeded",
            "Too many tokens, rate limit of this region",
        )
    ),
    *(
        (NotCapable, words)
        for words in (
            "Unsupported parameter: 'top_p' is not supported here.",
            "Unrecognized request argument supplied: seed",
            'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
            "This model does not support response_format json_schema",
            "`temperature` does not support 0.3 with this one",
            "property 'stop' is unsupported",
            "'seed' is not one of the accepted inputs",
        )
    ),
    *(
        (JsonNotAsked, words)
        for words in (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            "'json_object'.",
            "Prompt must contain the word 'json' in some form to use 'response_format' of type "
            "'json_object'.",
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
        )
    ),
    *(
        (BackendMisfit, words)
        for words in (
            "Unknown parameter: 'stream_options'.",
            "stream_options: Extra inputs are not permitted",
            "Unsupported parameter: max_tokens, use max_completion_tokens",
            "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'input': 'x'}]",
        )
    ),
    *(
        (BackendModelMissing, words)
        for words in (
            "small-7b is not a valid model ID",
            "The model small-7b does not exist",
            "Model small-7b has been decommissioned",
            "No endpoints found for vendor/small-7b",
            "模型不存在",
        )
    ),
    *((BackendInvalid, words) for words in ("Bad request", "messages: roles must alternate", "", "no")),
]

Shape = Callable[[str], object]
SHAPES: dict[str, Shape] = {
    "object": lambda words: {"error": {"message": words, "type": "invalid_request_error", "code": None}},
    "list": lambda words: [{"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}],
    "flat": lambda words: {"object": "error", "message": words, "type": "BadRequestError", "code": 400},
    "text for an object": lambda words: {"error": words},
    "code beside a text": lambda words: {"code": "Client specified an invalid argument", "error": words},
    "detail": lambda words: {"detail": words},
    "details": lambda words: {"detail": [{"type": "x", "loc": ["body"], "msg": words, "input": {"a": 1}}]},
    "in a message": lambda words: {"object": "error", "message": {"detail": [{"msg": words}]}},
    "in an envelope": lambda words: {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": words},
    },
    "errors": lambda words: {"success": False, "errors": [{"code": 7003, "message": words}]},
    "handed on": lambda words: {
        "error": {
            "message": "Upstream said no",
            "code": 400,
            "metadata": {"raw": json.dumps({"error": {"message": words}}), "provider_name": "x"},
        }
    },
    "AWS": lambda words: {"__type": "com.vendor#ValidationException", "Message": words},
    "words alone": lambda words: words,
}


def refusal(body: object, *, status: int = 400) -> BackendError:
    """Return our error for a body as a provider would send it."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return refused("cloud", status=status, body=raw, headers={}, unix_s=0.0)


def test_a_json_object_without_a_word_of_json_is_a_wrong_request() -> None:
    """The caller is told what to change; another model may do without."""
    words = "'messages' must contain the word 'json' in some form, to use 'response_format'."
    body = {"error": {"message": words, "type": "invalid_request_error", "param": "messages", "code": None}}
    error = refusal(body)
    assert error.reason is Reason.INVALID_REQUEST
    assert "config.json_object needs a message with the word JSON" in str(error)
    assert error.fallback


MAX_TOKENS = {
    "error": {"message": "max_tokens: unsupported", "code": "unsupported_parameter", "param": "max_tokens"}
}
SEED = {"error": {"message": "seed: unsupported", "code": "unsupported_parameter", "param": "seed"}}
STOP = {"type": "error", "error": {"message": "stop_sequences: Extra inputs are not permitted"}}
SUMMARY = {
    "error": {
        "message": "Your organization must be verified to generate reasoning summaries.",
        "code": "unsupported_value",
        "param": "reasoning.summary",
    }
}


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (MAX_TOKENS, OpenAIModel, "it refuses max_tokens; max_tokens_field in the policy names another one"),
        (MAX_TOKENS, AnthropicModel, "it refuses max_tokens"),
        (SEED, OpenAIModel, "it refuses seed; drop: [seed] in the policy leaves it out"),
        (SEED, AnthropicModel, "it refuses seed"),
        (STOP, AnthropicModel, "it refuses stop_sequences; drop: [stop] in the policy leaves it out"),
        (
            SUMMARY,
            OpenAIModel,
            "it refuses reasoning_summary; drop: [reasoning_summary] in the policy leaves it out",
        ),
    ],
)
def test_advice_names_keys_that_the_kind_of_model_has(body: object, kind: type[UrlModel], told: str) -> None:
    """Whoever follows it finds the key; every word of `drop` that is advised is one of that kind."""
    raw = json.dumps(body).encode()
    error = refused("cloud", status=400, body=raw, headers={}, unix_s=0.0, remedies=kind.remedies)
    assert str(error).endswith(told)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize(("kind", "words"), WORDINGS, ids=[words[:24] for _, words in WORDINGS])
def test_wording_means_the_same_in_every_shape(kind: type[BackendError], words: str, shape: Shape) -> None:
    """By its words, wherever in the body they stand; none of them is repeated."""
    error = refusal(shape(words))
    assert type(error) is kind
    assert error.charge is Charge.NONE
    assert error.breaker is not BreakerVerdict.OPEN_LONG, "words alone open nothing for long"
    assert len(words) < 8 or words not in str(error)


@pytest.mark.parametrize("shape", [each for name, each in SHAPES.items() if name != "words alone"])
@pytest.mark.parametrize(("kind", "words"), WORDINGS, ids=[words[:24] for _, words in WORDINGS])
def test_wording_means_the_same_in_an_answer(kind: type[BackendError], words: str, shape: Shape) -> None:
    """An error that came with status 200 counts by its own code and words."""
    body = shape(words)
    if not words:
        return
    assert is_error(body)
    error = error_event("cloud", body)
    assert type(error) in (kind, BackendProtocol if kind is BackendInvalid else kind)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"delta": {"content": "error"}}]},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": [], "error": None},
        {"choices": [{"error": None, "delta": {}}], "error": {}},
        {"id": "x", "object": "chat.completion.chunk", "choices": None},
        {"type": "ping"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}, "choices": []},
        {},
        [],
        [1],
        "error",
        None,
    ],
)
def test_answer_is_no_error(body: object) -> None:
    """What only looks like an error is read as an answer."""
    assert not is_error(body)


EVENTS: list[tuple[object, type[BackendError], Charge]] = [
    ({"error": {"code": 429, "message": "x"}}, BackendRateLimited, Charge.NONE),
    ({"error": {"code": "502", "message": "Provider returned error"}}, BackendFailed, Charge.UNKNOWN),
    ({"error": {"code": 503, "message": "x"}}, BackendOverloaded, Charge.UNKNOWN),
    ({"error": {"type": "overloaded_error", "message": "x"}}, BackendOverloaded, Charge.UNKNOWN),
    ({"error": {"type": "server_error", "message": "x"}}, BackendFailed, Charge.UNKNOWN),
    ({"error": {"code": 401, "message": "x"}}, BackendCredentials, Charge.NONE),
    ({"error": {"code": 402, "message": "x"}}, BackendQuotaUsedUp, Charge.NONE),
    ({"error": {"code": 413, "message": "x"}}, ContextTooLong, Charge.NONE),
    ({"error": {"type": "invalid_request_error", "message": "x"}}, BackendInvalid, Charge.NONE),
    ({"error": "boom"}, BackendProtocol, Charge.UNKNOWN),
    ({"error": True}, BackendProtocol, Charge.UNKNOWN),
    (
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        BackendQuotaUsedUp,
        Charge.NONE,
    ),
    ({"choices": [{"delta": {}, "error": {"code": 429, "message": "x"}}]}, BackendRateLimited, Charge.NONE),
]


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(("body", "kind", "charge"), EVENTS, ids=[str(row[0])[:50] for row in EVENTS])
async def test_error_in_an_answer(body: object, kind: type[BackendError], charge: Charge, ask: Ask) -> None:
    """As a whole body or as the first event; what is no refusal may have been billed."""
    raw = json.dumps(body).encode()
    reply = event_stream(raw, b"[DONE]") if ask is streamed else http(200, raw)
    async with RawServer(reply).serve() as server, backend_at(server.base_url) as backend:
        with pytest.raises(BackendError) as raised:
            await ask(backend, call_of())
    assert type(raised.value) is kind
    assert raised.value.charge is charge


REQUEST_ALONE = [
    (
        402,
        {
            "error": {
                "message": "This request requires more credits, or fewer max_tokens. You can only afford 12"
            }
        },
    ),
    (413, {"error": {"message": "Request too large on tokens per minute (TPM): Limit 100, Requested 200"}}),
    (403, {"error": {"message": "Your input was flagged", "code": 403}}),
    (403, {"error": {"message": "x", "code": 403, "metadata": {"flagged_input": "x"}}}),
    (403, {"type": "error", "error": {"type": "permission_error", "message": "Flagged by moderation"}}),
    (403, "<!DOCTYPE html><html><title>Attention Required!</title>Access denied, api key invalid</html>"),
    (
        400,
        {
            "error": {
                "message": "Invalid value: 'my api key is invalid, says the caller'",
                "param": "messages",
            }
        },
    ),
    (451, {"error": {"message": "Unavailable for legal reasons"}}),
    (451, ""),
    (422, {"detail": [{"msg": "Input should be a list", "input": "Incorrect API key provided"}]}),
]


@pytest.mark.parametrize(("status", "body"), REQUEST_ALONE, ids=[str(row[1])[:60] for row in REQUEST_ALONE])
def test_one_request_closes_nothing_to_others(status: int, body: object) -> None:
    """What is about one request alone says nothing of the model's health."""
    assert refusal(body, status=status).breaker is BreakerVerdict.IGNORE


def test_forbidden_without_a_word_opens_nothing_for_long() -> None:
    """A bare 403 may be about this request, so it counts as one failure; a code of a key is believed."""
    assert refusal({"error": {"message": "Forbidden"}}, status=403).breaker is BreakerVerdict.FAILURE
    keyed = refusal({"error": {"message": "x", "code": "invalid_api_key"}}, status=403)
    assert keyed.breaker is BreakerVerdict.OPEN_LONG


UNLISTED = [
    ("token_quota_reached", BackendQuotaUsedUp),
    ("PROMPT_TOO_LONG_FOR_TIER", ContextTooLong),
    ("request-flagged", ContentFiltered),
    ("MODEL_NOT_AVAILABLE_HERE", BackendModelMissing),
]


@pytest.mark.parametrize(("code", "kind"), UNLISTED)
def test_unlisted_code_is_read_as_words(code: str, kind: type[BackendError]) -> None:
    """A code that no list holds still says what it says, but is not repeated: it may be anything."""
    error = refusal({"error": {"code": code}})
    assert type(error) is kind
    assert error.upstream_code is None
    assert code not in str(error)


PAUSES: list[tuple[object, float | None]] = [
    ([{"error": {"details": [{"@type": "t/google.rpc.RetryInfo", "retryDelay": "21s"}]}}], 21.0),
    ([{"error": {"details": [{"@type": "t/google.rpc.RetryInfo", "retryDelay": "0.5s"}]}}], 0.5),
    ({"error": {"message": "x", "retry_after": 12}}, 12.0),
    ({"error": {"message": "x", "retry_after": "12"}}, 12.0),
    ({"retry_after_ms": 1500}, 1.5),
    ({"error": {"message": "Rate limit reached. Please try again in 7m12.5s."}}, 432.5),
    ({"error": {"message": "Please try again in 620ms."}}, 0.62),
    ({"error": {"message": "Please retry after 9 seconds."}}, 9.0),
    ({"error": {"message": "try again in 1h2m"}}, 3720.0),
    ({"error": {"message": "Model is loading", "estimated_time": 20.5}}, 20.5),
    ({"error": {"message": "try again later"}}, None),
    ({"retry_after": -5}, None),
    ({"retry_after": "1e308"}, None),
    ({"retry_after": 10**400}, 86_400.0),
    ({"retry_after": 1e308}, 86_400.0),
    ({"retry_after": True}, None),
    ({"retry_after": {"s": 1}}, None),
    ({"error": {"message": "try again in 999999h"}}, 86_400.0),
]


@pytest.mark.parametrize(("body", "pause_s"), PAUSES, ids=[str(row[0])[:50] for row in PAUSES])
def test_pause_stands_in_the_body(body: object, pause_s: float | None) -> None:
    """A header comes first; without one the body's own field counts, or its words."""
    assert refusal(body, status=429).retry_after_s == (pause_s if pause_s is None else pytest.approx(pause_s))
    raw = json.dumps(body).encode()
    told = refused("cloud", status=429, body=raw, headers={"retry-after": "3"}, unix_s=0.0)
    assert told.retry_after_s == 3.0


def test_quota_of_a_minute_is_no_empty_account() -> None:
    """Vendors say "exceeded your quota" of both; only the one of an account has no time to come back."""
    words = "You exceeded your current quota, please check your plan and billing details."
    assert type(refusal({"error": {"message": words}}, status=429)) is BackendQuotaUsedUp
    assert type(refusal({"error": {"message": words, "retryDelay": "9s"}}, status=429)) is BackendRateLimited
