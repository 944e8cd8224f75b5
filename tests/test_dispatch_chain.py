"""The chain: who is tried after whom, and what the caller gets."""

from gateway.backends.scripted import reply
from gateway.errors import BackendFailed, BackendSilent
from gateway.types import Delta, Outcome, Reason, Route, Usage
from tests.dispatch_doubles import Bench
from tests.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)


@virtual_time
async def test_first_model_answers() -> None:
    """The first model that answers is the only one that is called."""
    bench = Bench({"edge": [reply("at home", usage=USAGE)], "cloud": [reply("away")]})
    answer = await bench.generate("edge", "cloud")
    assert (answer.text, answer.route, answer.model, answer.usage) == ("at home", Route.LOCAL, "edge", USAGE)
    assert [attempt.outcome for attempt in answer.attempts] == [Outcome.ANSWERED]
    assert bench.called("cloud") == 0


@virtual_time
async def test_canned_when_all_fail() -> None:
    """When the chain is used up the canned reply comes, typed, with every attempt."""
    bench = Bench({"edge": [BackendSilent("edge", "x")], "cloud": [BackendFailed("cloud", "500")]})
    answer = await bench.generate("edge", "cloud")
    assert answer.route is Route.CANNED
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.ALL_FAILED
    assert [attempt.model for attempt in answer.attempts] == ["edge", "cloud", "cloud", "cloud"]


@virtual_time
async def test_stream_yields_deltas_then_answer() -> None:
    """A stream is its deltas and then the whole answer."""
    bench = Bench({"edge": [reply("one two", usage=USAGE)]})
    *deltas, answer = await bench.stream("edge")
    assert deltas == [Delta(text="one ", attempt=0), Delta(text="two", attempt=0)]
    assert getattr(answer, "text", None) == "one two"
