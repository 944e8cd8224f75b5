"""What a policy says of reaching a provider: keys, headers, and what of it is refused or looser."""

import json
from pathlib import Path

import pytest

from gateway.policy.diff.loosening import loosened
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import OpenAIModel, Policy
from gateway.policy.provider_access import FromFile

MODEL: dict[str, object] = {
    "kind": "openai", "model": "gpt", "clearance": "public", "place": "edge", "base_url": "http://host/v1",
}  # fmt: skip


def spec(**fields: object) -> OpenAIModel:
    """Return the spec of a model."""
    return OpenAIModel.model_validate({**MODEL, **fields})


def policy_of(**fields: object) -> Policy:
    """Return a policy with that model; YAML takes JSON."""
    policy = {
        "version": 1,
        "models": {"m": {**MODEL, **fields}},
        "rules": [{"name": "default", "route": ["m"]}],
        "replies": [{"id": "sorry", "text": "x"}],
    }
    return parse_policy(json.dumps(policy), name="p.yaml")


WRONG: dict[str, tuple[dict[str, object], str, str]] = {
    "two keys": ({"api_key_env": "K", "api_key_file": "k"}, "api_key_file", "together with api_key_env"),
    "a key and a program": ({"api_key_env": "K", "token_command": ["t"]}, "token_command", "together"),
    "auth without a key": ({"auth": {"header": "api-key"}}, "auth", "needs api_key_env"),
    "a literal authorization": ({"headers": {"X-Authorization": "x"}}, "headers.X-Authorization", "{env"),
    "a literal key": ({"headers": {"X-Api-Key": "x"}}, "headers.X-Api-Key", "a credential"),
    "a literal token": ({"headers": {"x-auth-TOKEN": "x"}}, "headers.x-auth-TOKEN", "a credential"),
    "a literal cookie": ({"headers": {"Cookie": "x"}}, "headers.Cookie", "a credential"),
    "the header": ({"headers": {"authorization": {"env": "K"}}}, "headers.authorization", "api_key_env"),
    "a header of HTTP": ({"headers": {"Host": "x"}}, "headers.Host", "is set by the gateway"),
    "a line end": ({"headers": {"X-Team": "a\r\nb"}}, "headers.X-Team", "printable"),
    "a header twice": ({"headers": {"X-Team": "a", "x-team": "b"}}, "headers.x-team", "twice"),
    "a key in the URL": ({"query": {"api_key": "x"}}, "query.api_key", "a credential"),
    "a bound in the body": ({"extra_body": {"max_tokens": 9}}, "extra_body.max_tokens", "the gateway sets"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "key", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_contradicts_is_refused_by_key(fields: dict[str, object], key: str, words: str) -> None:
    """One line for each, without a value."""
    [(found, message)] = spec(**fields).problems()
    assert found == key
    assert words in message
    assert "\n" not in message


def test_what_is_right_is_taken() -> None:
    """And files are relative to the policy; a spec can be looked up."""
    model = spec(
        api_key_file="keys/a",
        auth={"header": "api-key", "prefix": ""},
        headers={"X-Team": "edge", "X-Key": {"file": "b"}, "Cookie": {"env": "C"}},
        query={"api-version": "v1"},
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
        finish_reasons={"eos_reached": "stop", "boom": "failed"},
    )
    assert not list(model.problems())
    placed = model.in_folder(Path("/etc/gateway"))
    assert placed.api_key_file == "/etc/gateway/keys/a"
    assert placed.headers["X-Key"] == FromFile(file="/etc/gateway/b")
    assert hash(placed) == hash(placed.model_copy())


@pytest.mark.parametrize(
    ("key", "old", "new", "is_looser"),
    [
        ("token_command", [], ["t"], True),
        ("token_command", ["t", "a"], ["t", "b"], True),
        ("token_command", ["t"], [], False),
        ("headers", {}, {"X-Team": "a"}, True),
        ("query", {}, {"a": "b"}, True),
        ("extra_body", {}, {"a": 1}, True),
        ("finish_reasons", {}, {"a": "stop"}, False),
        ("reasoning_field", "auto", "none", False),
    ],
)
def test_what_is_looser(key: str, old: object, new: object, is_looser: bool) -> None:
    """Another program is; what is added to calls cannot be compared."""
    before, after = (policy_of(**{key: value}) for value in (old, new))
    assert [path for path, _ in loosened(before, after)] == ([("models", "m", key)] if is_looser else [])
