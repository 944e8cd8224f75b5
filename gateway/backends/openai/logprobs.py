"""Log probabilities of tokens, as chat completions and responses write them."""

import math

from gateway.domain.answer import TokenLogprob, TopLogprob

Fields = tuple[str, float, bytes]


def logprobs_of(value: object) -> tuple[TokenLogprob, ...]:
    """Return the tokens of `logprobs`; what cannot be read is left out, since it is no part of the answer."""
    tokens: list[object] = []
    if isinstance(value, dict):
        for name in ("content", "refusal"):
            listed = value.get(name)
            tokens += listed if isinstance(listed, list) else []
    elif isinstance(value, list):
        tokens = value
    return tuple(token for token in map(_token, tokens) if token is not None)


def _token(value: object) -> TokenLogprob | None:
    fields = _fields(value)
    if fields is None or not isinstance(value, dict):
        return None
    token, logprob, token_bytes = fields
    listed = value.get("top_logprobs")
    others = map(_fields, listed if isinstance(listed, list) else [])
    top = tuple(
        TopLogprob(token=other[0], logprob=other[1], token_bytes=other[2]) for other in others if other
    )
    return TokenLogprob(token=token, logprob=logprob, token_bytes=token_bytes, top=top)


def _fields(value: object) -> Fields | None:
    if not isinstance(value, dict):
        return None
    token, logprob, raw = value.get("token"), value.get("logprob"), value.get("bytes")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    if not math.isfinite(logprob) or logprob > 0.0:
        return None
    is_bytes = isinstance(raw, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw)
    encoded = bytes(raw) if is_bytes and isinstance(raw, list) else token.encode(errors="replace")
    return token.encode(errors="replace").decode(), float(logprob), encoded
