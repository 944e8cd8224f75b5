"""Wordings of refusals in the languages of providers, each with numbers and names drawn anew."""

import json
import random
from collections.abc import Mapping

import pytest

from gateway.backends.http.errors import error_event, refused
from gateway.backends.http.refusal_body import is_error
from gateway.errors import (
    BackendCredentials,
    BackendError,
    BackendInvalid,
    BackendModelMissing,
    BackendQuotaUsedUp,
    BackendRateLimited,
    ContentFiltered,
    ContextTooLong,
    NotCapable,
)

WORDINGS: Mapping[type[BackendError], list[str]] = {
    ContextTooLong: [
        "Inputs must have fewer than {n} tokens. Got: {m}",
        "You sent {m} tokens, and {model} only takes {n}",
        "The text has {m} tokens and should be shorter than the n_ctx of {n}",
        "{model} handles up to {n} tokens; this request has {m}",
        "The prompt must not exceed {n}",
        "InputTooLarge: {m}",
        "Die Nachricht ist zu lang ({m} Token)",
        "La longueur maximale est de {n} jetons",
        "Le message dépasse la taille du contexte",
        "La longitud máxima es de {n}",
        "O pedido excede o contexto do modelo",
        "La lunghezza massima è {n}",
        "プロンプトが長すぎます",
        "프롬프트가 너무 깁니다",
        "Слишком большая длина контекста: {m}",
        "消息总长度不能超过{n}",
    ],
    BackendRateLimited: [
        "请求频率过高",
        "Zu viele Anfragen in {n} Sekunden",
        "Trop de requêtes",
        "The QPS limit of {n} was reached",
        "リクエストが多すぎるため、しばらくお待ちください",
        "요청이 너무 많습니다",
    ],
    BackendCredentials: [
        "This API key is inactive",
        "The key has been revoked",
        "You don't have access to {model}",
        "The team doesn\u2019t have permission for {model}",
    ],
    BackendQuotaUsedUp: ["The free plan of this account is used up", "Your free tier has expired"],
    ContentFiltered: ["不適切な内容です", "부적절한 요청입니다"],
    NotCapable: ["temperature is deprecated for {model}", "top_p may only be 1 with {model}"],
    BackendModelMissing: ["No such model: {model}"],
    BackendInvalid: [
        "temperature must be between 0 and {n}",
        "messages[{n}] has no role",
        "The key {model} stands in the schema twice",
        "n must be less than {n}",
    ],
}


@pytest.mark.parametrize("seed", range(5))
def test_a_refusal_is_known_by_its_words(seed: int) -> None:
    """Whatever the numbers in it, and the shape around it."""
    rng = random.Random(seed)
    for kind, wordings in WORDINGS.items():
        for wording in wordings:
            model = rng.choice(["acme-9b", "x/y-large:free", "модель-1"])
            words = wording.format(n=rng.randint(2, 40_000), m=rng.randint(40_001, 10**6), model=model)
            for body in (
                words,
                {"error": {"message": words, "code": rng.choice([None, 400])}},
                [{"detail": words}],
            ):
                raw = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()
                error = refused("cloud", status=400, body=raw, headers={}, unix_s=0.0)
                assert type(error) is kind, words


@pytest.mark.parametrize("field", ["error_msg", "error_message", "errmsg", "errorMessage"])
def test_an_error_of_flat_fields_is_one_with_status_200(field: str) -> None:
    """Some vendors write no error object; what they say counts all the same."""
    body = {"error_code": 18, field: "Open api qps request limit reached", "id": "as-1"}
    assert is_error(body)
    assert not is_error({**body, "choices": [{"index": 0}]})
    assert type(error_event("cloud", body)) is BackendRateLimited


def test_words_of_a_caller_close_no_model_to_others() -> None:
    """What a body quotes in another language counts for as little as in English."""
    for kind in (BackendCredentials, BackendQuotaUsedUp):
        for wording in WORDINGS[kind]:
            words = wording.format(n=1, m=2, model="acme-9b").replace("'", "").replace("\u2019", "")
            body = {"error": {"message": f'Not understood: "{words} it says"'}}
            error = refused("cloud", status=400, body=json.dumps(body).encode(), headers={}, unix_s=0.0)
            assert type(error) is BackendInvalid, words
