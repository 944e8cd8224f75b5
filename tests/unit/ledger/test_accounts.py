"""Which accounts a call counts against, and what it costs."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import Usage
from gateway.domain.conversation import Message, Reasoning, Role, Tool
from gateway.domain.request import GenerationConfig, Request
from gateway.ledger.accounts import Account, accounts_for
from gateway.ledger.money import (
    cost_usd_nanos,
    nanos_of_usd,
    picos_per_token,
    prompt_tokens_bound,
    worst_case_usd_nanos,
)
from gateway.policy.model import Budget, OpenAIModel, Price


def unix_s(text: str) -> float:
    """Return a moment in UTC as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def budget(**fields: object) -> Budget:
    """Return a budget, by default a tenant's of one dollar a day."""
    return Budget.model_validate(
        {"name": "b", "per": "tenant", "limit_usd": Decimal(1), "window": "day"} | fields
    )


@pytest.mark.parametrize(
    ("window", "moment", "start", "end"),
    [
        ("minute", "2027-03-04T05:06:07.9", "2027-03-04T05:06Z", "2027-03-04T05:07"),
        ("hour", "2027-03-04T05:06:07", "2027-03-04T05:00Z", "2027-03-04T06:00"),
        ("day", "2027-03-04T23:59:59.999", "2027-03-04T00:00Z", "2027-03-05T00:00"),
        ("week", "2027-03-07T23:00:00", "2027-03-01T00:00Z", "2027-03-08T00:00"),  # A Sunday.
        ("week", "2027-03-08T00:00:00", "2027-03-08T00:00Z", "2027-03-15T00:00"),  # A Monday.
        ("month", "2028-02-29T12:00:00", "2028-02-01T00:00Z", "2028-03-01T00:00"),  # A leap year.
        ("month", "2027-12-31T23:59:59", "2027-12-01T00:00Z", "2028-01-01T00:00"),
    ],
)
def test_window(window: str, moment: str, start: str, end: str) -> None:
    """A window begins and ends on the clock of UTC; a week on Monday."""
    (account,) = accounts_for(
        [budget(window=window)], tenant="acme", labels={}, model="m", unix_s=unix_s(moment)
    )
    assert account.key.endswith(f"/{window}:{start}")
    assert account.resets_at_unix_s == unix_s(end)


@pytest.mark.parametrize(
    ("per", "same_tenant_other_model", "other_tenant_same_model"),
    [("tenant", True, False), ("model", False, True), ("all", True, True)],
)
def test_subject(per: str, same_tenant_other_model: bool, other_tenant_same_model: bool) -> None:
    """Calls share an account exactly when they share the subject of the budget."""

    def key(tenant: str, model: str) -> str:
        (account,) = accounts_for([budget(per=per)], tenant=tenant, labels={}, model=model, unix_s=1.8e9)
        return account.key

    assert (key("acme", "big") == key("acme", "small")) is same_tenant_other_model
    assert (key("acme", "big") == key("other", "big")) is other_tenant_same_model


def label_key(tenant: str, **labels: str) -> str:
    """Return the key of a budget per team for a call with these labels."""
    per_team = budget(per="label", label="team")
    (account,) = accounts_for([per_team], tenant=tenant, labels=labels, model="m", unix_s=1.8e9)
    return account.key


def test_label_binds_inside_its_tenant() -> None:
    """A label's value has an account of its own in each tenant, whatever the other labels are."""
    assert label_key("acme", team="a") == label_key("acme", team="a", app="x")
    assert len({label_key("acme", team="a"), label_key("acme", team="b"), label_key("other", team="a")}) == 3


def test_calls_without_the_label_share_an_account() -> None:
    """Leaving the label out is no way around the cap: those calls count against one account."""
    assert label_key("acme") == label_key("acme", app="x") != label_key("acme", team="a")


def test_a_key_binds_inside_its_tenant() -> None:
    """Each name has an account in each tenant, calls without one share theirs; a named budget is for one."""

    def keys_of(tenant: str, key_name: str, **more: str) -> list[str]:
        accounts = accounts_for(
            [budget(per="key", **more)],
            tenant=tenant, key_name=key_name, labels={}, model="m", unix_s=1.8e9,
        )  # fmt: skip
        return [account.key for account in accounts]

    assert keys_of("acme", "ci") == keys_of("acme", "ci", key="ci")
    assert (
        len({*keys_of("acme", "ci"), *keys_of("acme", "desk"), *keys_of("acme", ""), *keys_of("b", "ci")})
        == 4
    )
    assert keys_of("acme", "desk", key="ci") == keys_of("acme", "", key="ci") == []


@pytest.mark.parametrize(
    ("zone", "window", "moment", "start", "end"),
    [
        # Summer time in Warsaw is two hours ahead of UTC, winter time one.
        ("Europe/Warsaw", "day", "2027-07-01T21:59:59", "2027-06-30T22:00Z", "2027-07-01T22:00"),
        ("Europe/Warsaw", "day", "2027-01-15T12:00:00", "2027-01-14T23:00Z", "2027-01-15T23:00"),
        # The day on which clocks go forward has 23 hours, the one on which they go back has 25.
        ("Europe/Warsaw", "day", "2027-03-28T12:00:00", "2027-03-27T23:00Z", "2027-03-28T22:00"),
        ("Europe/Warsaw", "day", "2027-10-31T12:00:00", "2027-10-30T22:00Z", "2027-10-31T23:00"),
        ("Europe/Warsaw", "week", "2027-03-28T12:00:00", "2027-03-21T23:00Z", "2027-03-28T22:00"),
        ("Europe/Warsaw", "month", "2027-10-10T12:00:00", "2027-09-30T22:00Z", "2027-10-31T23:00"),
        # An hour that comes twice is two hours.
        ("Europe/Warsaw", "hour", "2027-10-31T00:30:00", "2027-10-31T00:00Z", "2027-10-31T01:00"),
        ("Europe/Warsaw", "hour", "2027-10-31T01:30:00", "2027-10-31T01:00Z", "2027-10-31T02:00"),
        # An hour begins on the clock of the zone.
        ("Asia/Kolkata", "hour", "2027-07-01T12:10:00", "2027-07-01T11:30Z", "2027-07-01T12:30"),
        # In Cairo clocks go forward at midnight: the day begins at one.
        ("Africa/Cairo", "day", "2027-04-30T12:00:00", "2027-04-29T22:00Z", "2027-04-30T21:00"),
    ],
)
def test_window_in_a_time_zone(zone: str, window: str, moment: str, start: str, end: str) -> None:
    """A window goes by the clock of its time zone, changes of that clock included."""
    one = budget(window=window, time_zone=zone)
    (account,) = accounts_for([one], tenant="acme", labels={}, model="m", unix_s=unix_s(moment))
    assert account.key.endswith(f"/{window}:{start}")
    assert account.begins_at_unix_s == unix_s(start.removesuffix("Z"))
    assert account.resets_at_unix_s == unix_s(end)


@given(
    st.sampled_from(["UTC", "Europe/Warsaw", "America/Havana", "America/Santiago", "Pacific/Apia"]),
    st.sampled_from(["minute", "hour", "day", "week", "month"]),
    st.floats(1.6e9, 2.0e9),
)
def test_windows_follow_one_another(zone: str, window: str, moment: float) -> None:
    """A moment lies in its window, and where one window ends the next one begins."""
    one = budget(window=window, time_zone=zone)

    def at(unix_s: float) -> Account:
        (account,) = accounts_for([one], tenant="acme", labels={}, model="m", unix_s=unix_s)
        return account

    account = at(moment)
    assert account.begins_at_unix_s <= moment < account.resets_at_unix_s
    assert at(account.resets_at_unix_s).begins_at_unix_s == account.resets_at_unix_s
    assert 0.0 <= account.passed(moment) <= 1.0


def test_accounts_of_all_budgets() -> None:
    """Every budget gives one account, with its limit in nano-dollars."""
    accounts = accounts_for(
        [budget(name="a", limit_usd=Decimal("0.000000001")), budget(name="b", limit_usd=Decimal(5))],
        tenant="t",
        labels={},
        model="m",
        unix_s=1.8e9,
    )
    assert [(account.budget, account.limit_usd_nanos) for account in accounts] == [
        ("a", 1),
        ("b", 5_000_000_000),
    ]


@pytest.mark.parametrize(
    ("price", "picos"),
    [("0", 0), ("0.25", 250_000), ("0.001", 1000), ("0.0375", 37_500), ("0.000001", 1), ("15", 15_000_000)],
)
def test_picos_per_token(price: str, picos: int) -> None:
    """A price of at most six decimals is whole pico-dollars a token."""
    assert picos_per_token(Decimal(price)) == picos


@given(
    prices=st.tuples(*[st.decimals(0, 1000, places=6)] * 2),
    calls=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 32_000)), min_size=1, max_size=20),
)
def test_the_ledger_is_never_below_the_exact_bill(
    prices: tuple[Decimal, Decimal], calls: list[tuple[int, int]]
) -> None:
    """Each call is rounded up by less than a nano-dollar, so the sum is never below the bill."""
    spec = SPEC.model_copy(update={"price_per_million_usd": Price(input=prices[0], output=prices[1])})
    booked = sum(cost_usd_nanos(spec, Usage(prompt_tokens=p, completion_tokens=c)) for p, c in calls)
    bill = sum(Fraction(prices[0]) * p + Fraction(prices[1]) * c for p, c in calls) * 1000
    assert bill <= booked < bill + len(calls)


def test_fraction_is_refused() -> None:
    """What is not whole is refused, never rounded."""
    with pytest.raises(ValueError, match="six decimals"):
        picos_per_token(Decimal("0.0000005"))
    with pytest.raises(ValueError, match="nine decimals"):
        nanos_of_usd(Decimal("0.0000000001"))


SPEC = OpenAIModel(
    kind="openai",
    model="big",
    clearance="internal",
    price_per_million_usd=Price(input=Decimal("0.25"), output=Decimal("2")),
)


def a_request(text: str, **config: object) -> Request:
    """Return a request of one message."""
    return Request(
        request_id="r",
        tenant="t",
        messages=(Message(role=Role.USER, content=text),),
        config=GenerationConfig(**config),  # type: ignore[arg-type]  # The table below has each by its type.
    )


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (a_request("abc"), 3 + 16 + 64),
        (a_request("é€"), 5 + 16 + 64),  # Bytes of UTF-8, not characters.
        (a_request("abc", stop=("END", "ß")), 3 + 3 + 2 + 16 + 64),
        (a_request("abc", json_schema='{"a":1}'), 3 + 7 + 16 + 64 + 1024),  # What a provider adds to tools.
    ],
)
def test_prompt_bound(request_: Request, tokens: int) -> None:
    """The bound counts every string that is sent, in bytes."""
    assert prompt_tokens_bound(request_) == tokens


def test_the_prompt_bound_of_tools_and_sealed_thoughts() -> None:
    """A provider reads what it sealed, and adds words of its own to tools."""
    tools = a_request("abc", tools=(Tool(name="f"),))
    assert prompt_tokens_bound(tools) == 3 + 1 + 16 + 64 + 64 + 1024
    thought = Message(role=Role.ASSISTANT, parts=(Reasoning(model="m", opaque=b"sealed"),))
    sealed = replace(a_request("abc"), messages=(thought,))
    assert prompt_tokens_bound(sealed) == 6 + 2 * 16 + 64


def test_cost() -> None:
    """A usage costs its tokens times their prices; the worst case is that of the bounds."""
    assert cost_usd_nanos(SPEC, Usage(prompt_tokens=10, completion_tokens=3)) == 10 * 250 + 3 * 2000
    assert worst_case_usd_nanos(SPEC, a_request("abc"), 7) == 83 * 250 + 7 * 2000
    free = SPEC.model_copy(update={"price_per_million_usd": None})
    assert cost_usd_nanos(free, Usage(prompt_tokens=10, completion_tokens=3)) == 0


@given(st.text(max_size=200), st.integers(0, 1000), st.integers(0, 100))
def test_worst_case_is_a_bound(text: str, completion_tokens: int, overhead: int) -> None:
    """No usage within the bounds costs more than the worst case."""
    request = a_request(text)
    usage = Usage(prompt_tokens=len(text.encode()) + min(overhead, 80), completion_tokens=completion_tokens)
    assert cost_usd_nanos(SPEC, usage) <= worst_case_usd_nanos(SPEC, request, 1000)
