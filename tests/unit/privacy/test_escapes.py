"""What is found of a value is found of it escaped, as URLs, forms, JSON and HTML carry it."""

import html
import json
import random
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.classify import CONFIDENT
from gateway.privacy.escapes import unescaped
from gateway.privacy.normalize import MAX_EDITS, NO_OFFSET, normalise
from tests.support.data_values import MAKERS
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
KINDS = ("EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "US_SSN")
VALUES = 30


def every(value: str, form: str) -> str:
    """Return a value with each letter, digit and mark escaped."""
    return "".join(form.format(ord(char)) for char in value)


def marks(value: str, form: str) -> str:
    """Return a value with each mark escaped."""
    return "".join(char if char.isalnum() else form.format(ord(char)) for char in value)


ESCAPED: Mapping[str, Callable[[str], str]] = {
    "query": lambda v: f"GET /s?a=1&v={quote(v, safe='')}&b=2 HTTP/1.1",
    "form": lambda v: f"a=10&value={quote_plus(v)}&b=2",
    "path": lambda v: f"/v1/customers/{quote(v, safe='')}/orders/7",
    "URL in a URL": lambda v: f"/login?next={quote(f'/s?v={quote(v)}&c=1', safe='')}",
    "every character": lambda v: f"/s?v={every(v, '%{:02X}')}",
    "JSON": lambda v: json.dumps({"id": 7, "v": "@"}).replace("@", marks(v, "\\u{:04x}")),
    "program": lambda v: f'v = "{marks(v, chr(92) + "x{:02x}")}"',
    "HTML": lambda v: f"<td>7</td><td>{marks(v, '&#{};')}</td>",
    "HTML, every character": lambda v: f"<b>{every(v, '&#x{:x};')}</b>",
    "HTML spaces": lambda v: f"<td>{html.escape(v).replace(' ', '&nbsp;')}</td>",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", sorted(ESCAPED))
def test_an_escaped_value_is_found(kind: str, form: str) -> None:
    """A value that is found as it is, is found behind each kind of escapes, and makes the same class."""
    rng = random.Random(f"{kind} {form}")
    tried = 0
    for _ in range(VALUES):
        value = MAKERS[kind](rng)
        alone = SCORER.score_text(f"see {value} here")
        if not any(f.type == kind and f.confidence >= CONFIDENT for f in alone.findings):
            continue
        tried += 1
        text = f"first line\n{ESCAPED[form](value)}\nlast line"
        privacy = SCORER.score_text(text)
        assert kind in {f.type for f in privacy.findings if f.start > len("first line")}, text
        assert privacy.privacy_class >= alone.privacy_class, text
    assert tried > VALUES // 2


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/a%20b/c%2Fd?q=caf%C3%A9%20noir&n=10%2C5",
        "x=1+2+3, total=10+20, i=100+7",
        "SELECT '100%41' LIKE 'a%40'",
        "Tom &amp; Jerry &lt;b&gt; 3 &#43; 4",
        'printf("%20d %40s %2d\\x41\\n", 12, s)',
        '{"html": "\\u003cdiv id\\u003d7\\u003e"}',
        "https://example.com/?sig=Zm9v%2Bbar%3D%3D&utm=spring%2Dsale%2D2025",
        "https://cdn.example.com/@scope%40v1.2.3/index.js",
    ],
)
def test_other_escapes_are_nothing_private(text: str) -> None:
    """Spaces, sums, formats of programs and names in URLs stay public."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


def test_a_place_is_that_of_the_escaped_value() -> None:
    """It begins at the escape or character that the value begins with, also behind characters unseen."""
    text = "a\u200bb\n/s?tel=%2B442079460958&e=jo%40example.org\n"
    found = {f.type: text[f.start : f.end] for f in SCORER.score_text(text).findings}
    assert found["PHONE"] == "%2B442079460958"
    assert found["EMAIL"] == "jo%40example.org"


def test_only_lines_with_escapes_are_read_again() -> None:
    """Neighbouring ones stay one paragraph; what was left out parts two."""
    reading = unescaped(normalise("a\nb%40c\nd%2Be\n\nf\ng&#64;h"))
    assert reading is not None
    assert reading.text == "b@c\nd+e\n\ng@h"
    assert reading.offsets is not None
    assert reading.offsets.count(NO_OFFSET) == len("\n\n")
    assert unescaped(normalise("100% of a+b & c\\d")) is None


def test_many_escapes_cost_a_bounded_time() -> None:
    """Behind the first ones the text is read as it is."""
    reading = unescaped(normalise("%41" * (MAX_EDITS + 100)))
    assert reading is not None
    assert reading.text.count("%41") in range(90, 101)
