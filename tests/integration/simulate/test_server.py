"""The simulated provider over HTTP: answers, bill, what it was sent, and control."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import pytest

from gateway.errors import StartupError
from gateway.simulate.billing import SimulatedPrice, parse_price, picos_per_token
from gateway.simulate.server import SimulatedCloud, run_simulated_cloud
from tests.support.repository import ROOT

DOCS = ROOT / "docs" / "guides" / "simulate-cloud.md"
STRONG = SimulatedPrice(input=Decimal("1.5"), output=Decimal("10"))
HELLO: dict[str, object] = {"model": "strong", "messages": [{"role": "user", "content": "Hello there"}]}


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    """A provider that listens, with a price for one model."""
    async with SimulatedCloud({"strong": STRONG}).serve() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def chat(
    http: aiohttp.ClientSession, cloud: SimulatedCloud, **fields: object
) -> tuple[int, dict[str, object]]:
    """Return status and body for a request of `fields` over HELLO."""
    async with http.post(f"{cloud.base_url}/chat/completions", json={**HELLO, **fields}) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("text", "model", "price"),
    [
        ("sim=0.25:2.00", "sim", SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))),
        (
            "sim=3:15:0.3:3.75",
            "sim",
            SimulatedPrice(
                input=Decimal(3), output=Decimal(15), cached_input=Decimal("0.3"), cache_write=Decimal("3.75")
            ),
        ),
        ("a=b=0:0.001", "a=b", SimulatedPrice(input=Decimal(0), output=Decimal("0.001"))),
    ],
)
def test_a_price_is_read_from_its_spelling(text: str, model: str, price: SimulatedPrice) -> None:
    """`MODEL=IN:OUT` becomes a price in US dollars for a million tokens."""
    assert parse_price(text) == (model, price)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sim",
        "sim=1",
        "=1:2",
        "sim=1:x",
        "sim=-1:2",
        "sim=0.0000001:2",
        "sim=nan:2",
        "sim=1:inf",
        "sim=1:2:x",
        "sim=1:2:3:4:5",
    ],
)
def test_a_price_that_makes_no_sense_is_refused_in_one_line(text: str) -> None:
    """A price that is missing, negative, infinite or finer than a pico-dollar a token raises ValueError."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        parse_price(text)


def test_a_dollar_for_a_million_tokens_is_a_million_pico_dollars_for_one() -> None:
    """The unit is the ledger's: price times a million, whole."""
    assert picos_per_token(Decimal("0.25")) == 250_000


async def test_an_answer_is_billed_by_its_usage(http: aiohttp.ClientSession, cloud: SimulatedCloud) -> None:
    """Tokens times price, in whole nano-dollars, for the model and in all."""
    status, body = await chat(http, cloud)
    usage = body["usage"]
    assert status == 200
    assert isinstance(usage, dict)
    served = cloud.bill().models["strong"]
    assert (served.prompt_tokens, served.completion_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert served.billed_usd_nanos == 1500 * usage["prompt_tokens"] + 10_000 * usage["completion_tokens"]
    assert cloud.bill().billed_usd_nanos == served.billed_usd_nanos


async def test_a_model_without_a_price_costs_the_default(
    http: aiohttp.ClientSession, cloud: SimulatedCloud
) -> None:
    """0.25 and 2.00 US dollars for a million tokens."""
    await chat(http, cloud, model="unpriced")
    served = cloud.bill().models["unpriced"]
    assert served.billed_usd_nanos == 250 * served.prompt_tokens + 2000 * served.completion_tokens


@pytest.mark.parametrize(
    "fault", ["status=500", "unauthorized", "context-too-long", "content-filter", "quota"]
)
async def test_an_error_status_bills_nothing(
    http: aiohttp.ClientSession, cloud: SimulatedCloud, fault: str
) -> None:
    """A refused request is counted and costs nothing."""
    status, body = await chat(http, cloud, model=f"strong+{fault}")
    assert status >= 400
    assert "error" in body
    assert cloud.bill().requests == 1
    assert cloud.bill().billed_usd_nanos == 0


async def test_a_stream_that_is_cut_bills_what_was_sent(
    http: aiohttp.ClientSession, cloud: SimulatedCloud
) -> None:
    """The prompt and two tokens were sent, so they are billed."""
    fields = {**HELLO, "model": "strong+cut=2", "stream": True}
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(f"{cloud.base_url}/chat/completions", json=fields) as response:
            await response.read()
    served = cloud.bill().models["strong"]
    assert served.completion_tokens == 2
    assert served.billed_usd_nanos == 1500 * served.prompt_tokens + 20_000


async def test_a_stream_is_the_whole_answer_in_pieces(
    http: aiohttp.ClientSession, cloud: SimulatedCloud
) -> None:
    """The text and the usage are those of the whole answer; finish comes before usage, [DONE] last."""
    _, whole = await chat(http, cloud)
    fields = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    async with http.post(f"{cloud.base_url}/chat/completions", json=fields) as response:
        lines = [line for line in (await response.text()).split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1])
    assert [{"message": {"role": "assistant", "content": text, "refusal": None}}] == [
        {"message": choice["message"]}
        for choice in whole["choices"]  # type: ignore[attr-defined]
    ]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    usage = whole["usage"]
    assert isinstance(usage, dict)
    assert (events[-1]["choices"], events[-1]["usage"]["total_tokens"]) == ([], usage["total_tokens"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"user": "x", "metadata": {"tenant": "x"}}, "metadata"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "audio": "y"}]}, "messages[0].audio"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"model": ""}, "model"),
        ({"model": "strong+explode"}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": "x"}, "top_p"),
        ({"seed": 1.5}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"n": 2}, "n"),
        ({"stream": 1}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"$ref": "#"}},
                }
            },
            "response_format",
        ),
    ],
)
async def test_a_request_that_is_wrong_in_a_field_is_refused_by_its_name(
    http: aiohttp.ClientSession, cloud: SimulatedCloud, fields: dict[str, object], param: str
) -> None:
    """It is as strict as a provider, so that a client that sends too much or wrong is noticed."""
    status, body = await chat(http, cloud, **fields)
    error = body["error"]
    assert isinstance(error, dict)
    assert (status, error["param"]) == (400, param)


async def test_what_was_sent_is_kept_whole(http: aiohttp.ClientSession, cloud: SimulatedCloud) -> None:
    """Request line, headers and body are kept, for other paths too; those to control are not."""
    url = cloud.base_url.removesuffix("/v1")
    async with http.post(f"{url}/elsewhere?q=1", data=b"\x00body", headers={"X-Marked": "header"}):
        pass
    async with http.get(f"{url}/control/bill") as response:
        bill = await response.json()
    (received,) = cloud.received()
    assert received.raw().startswith(b"POST /elsewhere?q=1 HTTP/1.1\r\n")
    assert b"X-Marked: header\r\n" in received.raw()
    assert received.raw().endswith(b"\r\n\r\n\x00body")
    assert bill["bytes_received"] == len(received.raw())
    assert "body" not in repr(received).replace("body=", "")


async def test_the_log_is_bounded(
    http: aiohttp.ClientSession, cloud: SimulatedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest request goes first once the log is full."""
    monkeypatch.setattr("gateway.simulate.server.MAX_LOG_BYTES", 3000)
    for i in range(5):
        await chat(http, cloud, messages=[{"role": "user", "content": str(i) * 1000}])
    bodies = [received.body for received in cloud.received()]
    assert [json.loads(body)["messages"][0]["content"][0] for body in bodies] == ["3", "4"]


async def test_a_reset_forgets_faults_bill_and_what_was_sent(
    http: aiohttp.ClientSession, cloud: SimulatedCloud
) -> None:
    """After a reset it is as new."""
    cloud.set_fault("*", "status", value=500)
    await chat(http, cloud)
    cloud.reset()
    bill = cloud.bill()
    assert (bill.requests, bill.bytes_received, bill.billed_usd_nanos, bill.models) == (0, 0, 0, {})
    assert cloud.received() == ()
    assert (await chat(http, cloud))[0] == 200


async def test_the_models_are_listed(http: aiohttp.ClientSession, cloud: SimulatedCloud) -> None:
    """Those with a price and those that were asked for."""
    await chat(http, cloud, model="other+no-done")
    async with http.get(f"{cloud.base_url}/models") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["strong", "other"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"model": "a"}',
        b'{"model": "a", "fault": "explode"}',
        b'{"model": "a", "fault": "cut", "value": "x"}',
        b'{"model": "a", "fault": "cut", "times": 1.5}',
        b'{"model": "a", "fault": "cut", "for": 1}',
        b'{"model": 1, "fault": "cut"}',
    ],
)
async def test_a_wrong_fault_is_refused_and_not_set(
    http: aiohttp.ClientSession, cloud: SimulatedCloud, body: bytes
) -> None:
    """Control answers 400 with a reason, and the next request is answered."""
    url = cloud.base_url.removesuffix("/v1")
    async with http.post(f"{url}/control/faults", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert (await chat(http, cloud))[0] == 200


async def test_every_example_on_the_page_works(http: aiohttp.ClientSession, cloud: SimulatedCloud) -> None:
    """Each curl line of the documentation gets the status that the page leads one to expect."""
    examples = re.findall(r"^curl -s .*?[^\\]$", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL)
    statuses = []
    for example in examples:
        words = shlex.split(example.replace("\\\n", " "))
        (url,) = (word for word in words if word.startswith("http://"))
        data = words[words.index("-d") + 1] if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if data else "GET"
        here = url.replace("http://127.0.0.1:8080", cloud.base_url.removesuffix("/v1"))
        async with http.request(method, here, data=data) as response:
            statuses.append(response.status)
    assert statuses == [200, 429, 204, 204, 200, 200, 204]


async def test_a_port_that_is_taken_is_a_startup_error(cloud: SimulatedCloud) -> None:
    """Two providers cannot listen on one port; the second says so in one line."""
    port = int(cloud.base_url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(StartupError, match=rf"^simulate-cloud: cannot listen on 127.0.0.1:{port} "):
        await run_simulated_cloud(host="127.0.0.1", port=port)


@pytest.mark.parametrize(("faults", "prices"), [(["sim:explode"], []), (["reset"], []), ([], ["sim=1"])])
async def test_the_command_refuses_what_it_cannot_read(faults: list[str], prices: list[str]) -> None:
    """A wrong fault or price is a ValueError before anything listens."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        await run_simulated_cloud(host="127.0.0.1", port=0, faults=faults, prices=prices)
