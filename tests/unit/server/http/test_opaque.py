"""What models want back comes back as it was, with the model's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.http.opaque import PREFIX, unwrap, wrap


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.binary(max_size=200))
def test_what_was_wrapped_comes_back(model: str, opaque: bytes) -> None:
    """Any bytes, zero bytes and line ends among them; the string is safe in JSON and in headers."""
    text = wrap(model, opaque)
    assert unwrap(text) == (model, opaque)
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    "text", ["", "EqQBCgIYAhIM", PREFIX, f"{PREFIX}%%", f"{PREFIX}YQ", f"{PREFIX}MTIK", f"{PREFIX}é"]
)
def test_what_others_made_names_no_model(text: str) -> None:
    """A signature of a provider, a cut string, a number in place of a name: dropped, not a failure."""
    assert unwrap(text) == ("", b"")
