"""What a provider sends takes the event loop a time that is linear in its size, whatever it is."""

import json
from collections.abc import Callable

import pytest

from gateway.backends.http.errors import refused
from gateway.backends.http.events import EventReader
from gateway.backends.http.text_joiner import TextJoiner
from gateway.backends.openai.answers import StreamReader
from tests.support.growth import grows_linearly
from tests.support.provider_bytes import BOUNDS, said


def refusal(before: str, again: str) -> Callable[[int], object]:
    """Return the reading of an error with these words, the second of them many times."""

    def read(size: int) -> object:
        body = json.dumps({"error": {"message": before + again * size}}).encode()
        return refused("cloud", status=400, body=body, headers={}, unix_s=0.0)

    return read


def named_again(size: int) -> None:
    """A line that names its field many times."""
    list(EventReader(BOUNDS).feed(b"data:" * size + b"\n"))


def halves(size: int) -> None:
    """Marks of characters that are cut in two, and never another half."""
    joiner = TextJoiner()
    for _ in range(size):
        joiner.add("\ufffd" * 1_000)


def whole_messages(size: int) -> None:
    """After many pieces of an answer many events that hold a message without a text."""
    reader = StreamReader(BOUNDS, lambda _: None)
    for _ in range(size):
        reader.feed(said("a"))
    for _ in range(size):
        reader.feed({"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}]})


@pytest.mark.parametrize(
    ("work", "size"),
    [
        pytest.param(refusal("too many ", "_"), 1_000, id="underscores"),
        pytest.param(refusal("no such ", "- "), 500, id="dashes"),
        pytest.param(refusal("", "only 1 "), 280, id="two gaps"),
        pytest.param(refusal("", "«"), 2_000, id="quotation marks"),
        pytest.param(named_again, 200_000, id="data:"),
        pytest.param(halves, 1_000, id="halves of characters"),
        pytest.param(whole_messages, 12_000, id="whole messages"),
    ],
)
def test_no_bytes_of_a_provider_take_more_than_linear_time(work: Callable[[int], object], size: int) -> None:
    """One provider could stop the gateway for everybody else."""
    assert grows_linearly(work, size)
