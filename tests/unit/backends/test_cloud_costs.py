"""What a provider sends takes the event loop a time that is linear in its size, whatever it is."""

import json
import time
from collections.abc import Callable

import pytest

from gateway.backends.http.errors import refused
from gateway.backends.http.events import EventReader
from gateway.backends.openai.answers import StreamReader
from gateway.backends.openai.text import TextJoiner
from tests.support.provider_bytes import BOUNDS, said

LIMIT_S = 0.5
"""Of CPU time; each text here took far more while its time was not linear."""


def refusal(words: str) -> Callable[[], object]:
    """Return the reading of an error with these words."""
    body = json.dumps({"error": {"message": words}}).encode()
    return lambda: refused("cloud", status=400, body=body, headers={}, unix_s=0.0)


def named_again() -> None:
    """A line that names its field 200,000 times."""
    list(EventReader(BOUNDS).feed(b"data:" * 200_000 + b"\n"))


def halves() -> None:
    """Marks of characters that are cut in two, and never another half."""
    joiner = TextJoiner()
    for _ in range(1_000):
        joiner.add("\ufffd" * 1_000)


def whole_messages() -> None:
    """After many pieces of an answer many events that hold a message without a text."""
    reader = StreamReader(BOUNDS, lambda _: None)
    for _ in range(12_000):
        reader.feed(said("a"))
    for _ in range(12_000):
        reader.feed({"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}]})


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(refusal("too many " + "_" * 1_000), id="underscores"),
        pytest.param(refusal("no such " + "- " * 500), id="dashes"),
        pytest.param(refusal("only 1 " * 280), id="two gaps"),
        pytest.param(refusal("«" * 2_000), id="quotation marks"),
        pytest.param(named_again, id="data:"),
        pytest.param(halves, id="halves of characters"),
        pytest.param(whole_messages, id="whole messages"),
    ],
)
def test_no_bytes_of_a_provider_take_more_than_linear_time(work: Callable[[], object]) -> None:
    """One provider could stop the gateway for everybody else."""
    began_s = time.process_time()
    work()
    assert time.process_time() - began_s < LIMIT_S
