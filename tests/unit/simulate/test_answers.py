"""What the simulated provider answers, and how it counts."""

import itertools
from dataclasses import replace

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulate.answers import Prompt, complete, tokenize
from gateway.simulate.messages import SentMessage
from gateway.simulate.schema import minimal_instance

TEXTS = st.text(max_size=200)


def prompt(
    *contents: str, model: str = "sim", max_tokens: int | None = None, stop: tuple[str, ...] = ()
) -> Prompt:
    """Return a prompt of user messages."""
    messages = tuple(SentMessage(role="user", content=content) for content in contents)
    return Prompt(model=model, messages=messages, max_tokens=max_tokens, stop=stop)


@given(TEXTS)
def test_tokens_joined_are_the_text(text: str) -> None:
    """Nothing is lost when a text is cut into tokens, and none is empty."""
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert all(tokens)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_prompt_counts_less_than_the_bound_that_is_reserved_for_it(contents: list[str]) -> None:
    """UTF-8 bytes + 16 a message + 64 is never less than the count, so a reservation covers the bill."""
    bound = sum(len(content.encode()) + 16 for content in contents) + 64
    assert prompt(*contents).tokens() <= bound


def test_the_answer_depends_on_model_and_messages_alone() -> None:
    """The same model and messages give the same text; another of either gives another."""
    asked = [prompt("a"), prompt("b"), prompt("a", "b"), prompt("a", model="other")]
    texts = [complete(p).text() for p in asked]
    assert texts == [complete(p).text() for p in asked]
    assert all(one != other for one, other in itertools.combinations(texts, 2))
    assert texts[2].startswith("This is sim, a simulated model. It was sent 2 messages, ")


@given(st.integers(min_value=0, max_value=60))
def test_an_answer_that_was_begun_goes_on(length: int) -> None:
    """A last message of the assistant is the beginning: its own is brought to its end, another's goes on."""
    asked = prompt("a")
    whole = complete(asked).text()

    def rest(begun: str) -> str:
        begun_prompt = replace(
            asked, messages=(*asked.messages, SentMessage(role="assistant", content=begun))
        )
        return complete(begun_prompt).text()

    assert whole[:length] + rest(whole[:length]) == whole
    assert rest("It is").startswith(", and sim goes on after 2 tokens; ")


def test_max_tokens_cuts_the_answer_with_finish_reason_length() -> None:
    """An answer has at most max_tokens tokens, and says that it was cut."""
    whole = complete(prompt("a"))
    cut = complete(prompt("a", max_tokens=4))
    assert (cut.tokens, cut.finish_reason) == (whole.tokens[:4], "length")
    assert complete(prompt("a", max_tokens=len(whole.tokens))).finish_reason == "stop"


def test_the_first_stop_string_ends_the_answer_and_is_not_in_it() -> None:
    """The answer ends before whichever stop string comes first."""
    stopped = complete(prompt("a", stop=("model", "simulated", "not there")))
    assert stopped.text() == "This is sim, a "
    assert stopped.finish_reason == "stop"


@pytest.mark.parametrize("length", [0, 1, 7, 24, 25, 500])
def test_a_length_that_is_asked_for_is_exact(length: int) -> None:
    """An answer of N tokens has N tokens, counted again from its text."""
    completion = complete(prompt("a"), length=length)
    assert len(tokenize(completion.text())) == length


SCHEMAS = {
    "object with required and optional": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 3}},
        "required": ["name"],
        "additionalProperties": False,
    },
    "nested array of objects": {
        "type": "array",
        "minItems": 2,
        "items": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
    },
    "enum": {"enum": ["red", "green"]},
    "const": {"const": 7},
    "choice": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "list of types": {"type": ["string", "null"]},
    "least length": {"type": "string", "minLength": 3},
    "local reference": {
        "$defs": {"id": {"type": "integer"}},
        "type": "object",
        "properties": {"id": {"$ref": "#/$defs/id"}},
    },
    "anything": True,
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_the_answer_to_a_schema_is_valid(schema: object) -> None:
    """The smallest instance satisfies the schema it was made from."""
    jsonschema_rs.Draft202012Validator(schema).validate(minimal_instance(schema))  # type: ignore[arg-type]  # bool


UNANSWERABLE = {
    "contradiction": {"type": "string", "minLength": 3, "maxLength": 1},
    "pattern": {"type": "string", "pattern": "^[0-9]+$"},
    "no schema": {"type": "no such type"},
    "reference to itself": {"$ref": "#"},
    "reference to nothing": {"$ref": "#/$defs/none"},
    "reference to elsewhere": {"$ref": "http://127.0.0.1:1/schema"},
    "reference to elsewhere, deeper": {"type": "integer", "not": {"$ref": "http://127.0.0.1:1/schema"}},
    "very long": {"type": "string", "minLength": 1_000_000_000},
}


@pytest.mark.parametrize("schema", UNANSWERABLE.values(), ids=UNANSWERABLE.keys())
def test_a_schema_without_a_known_answer_is_refused(schema: object) -> None:
    """What is not found is said, and no reference is fetched from anywhere."""
    with pytest.raises(ValueError, match="schema"):
        minimal_instance(schema)
