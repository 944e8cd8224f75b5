"""The YAML reader: YAML 1.2, lines for every key, and nothing that can refer to itself or blow up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.loading.document import MAX_BYTES, MAX_DEPTH, read_document
from gateway.policy.source import Path, key_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", "yes"),  # YAML 1.1 reads a bool: the Norway problem.
        ("a: off", "off"),
        ("a: 12:30", "12:30"),  # YAML 1.1 reads 750, in base 60.
        ("a: 010", 10),  # YAML 1.1 reads 8, in octal.
        ("a: 2026-11-23", "2026-11-23"),  # YAML 1.1 reads a date.
        ("a: true", True),
        ("a: 0.25", 0.25),
        ("a: 1e3", 1000.0),
        ("a: '1'", "1"),
        ('a: "x\\n"', "x\n"),
        ("a: =", "="),
        ("a: []", []),
        ("\ufeffa: 1", 1),  # Editors on Windows write a byte order mark.
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them(text: str, value: object) -> None:
    """A scalar means what YAML 1.2 says, not what 1.1 made of it."""
    document = read_document(text)
    assert document.value == {"a": value}
    assert document.problems == ()


TEXT = """\
# a comment
models:
  edge: {kind: x,
         path: y}
rules:
  - name: one
    when: |
      a &&
      b
  - name: two
    route: [p,
            q]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("models",), 2),
        (("models", "edge", "kind"), 3),
        (("models", "edge", "path"), 4),
        (("rules", 0), 6),
        (("rules", 0, "when"), 7),
        (("rules", 1, "route", 1), 12),
        (("models", "edge", "clearance"), 3),  # Not there: the line of what should hold it.
        (("nothing",), 2),  # Not there: the line on which the document begins.
    ],
)
def test_every_key_and_item_has_its_line(path: Path, line: int) -> None:
    """A path has the line on which it stands, or the line of the nearest thing around it."""
    assert read_document(TEXT).line_of(path) == line


def test_a_line_of_a_block_text_is_a_line_of_the_file() -> None:
    """Line 2 of a `|` block is found on its own line of the file."""
    problem = read_document(TEXT).problem_in_text(("rules", 0, "when"), line=2, message="wrong")
    assert problem.render("p.yaml") == "p.yaml:9: rules[0].when: wrong"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f:1: file: is empty"),
        ("# only a comment\n", "f:1: file: is empty"),
        ("a: 1\nb: 2\na: 3", "f:3: a: appears twice; the first is on line 1"),
        ("a:\n  b: 1\n  b: 1", "f:3: a.b: appears twice; the first is on line 2"),
        ("a: &x 1", "f:1: file: an anchor (&) is not supported; write the value again where it is needed"),
        ("a: 1\nb: *x", "f:2: file: an alias (*) is not supported; write the value again"),
        ("a: !!python/object:os.system 1", "f:1: file: a tag (!) is not supported; write the plain value"),
        ("%YAML 1.1\n---\na: yes", "f:2: file: a directive (%) is not supported; a policy is YAML 1.2"),
        ("<<: {a: 1}", "f:1: file: the merge key << is not supported; write the keys out"),
        ("a: {1: x}", "f:1: a: the key 1 must be text; put it in quotes"),
        ("? [a]\n: 1", "f:1: file: a key must be text"),
        ("a:\nb: 1", "f:1: a: is empty; give it a value, or remove the key"),
        ("a: [1, ~]", "f:1: a[1]: is empty; give it a value, or remove the key"),
        ("a: [1\nb: 2", "f:2: file: is not YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n---\nb: 2", "f:2: file: is not YAML: but found another document"),
        ("a: 1\nb: \x00", "f:2: file: a character that YAML does not allow"),
        ("a: " + "9" * 5000, "f:1: a: is a number that cannot be read; quote it to mean text"),
        ('"a\\nb":\n  c: 1\n  c: 2', "f:3: a?b.c: appears twice; the first is on line 2"),
        ("x" * (MAX_BYTES + 1), f"f:1: file: is longer than {MAX_BYTES} bytes"),
        ("[" * 5000, f"f:1: file: is nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_a_policy_may_not_use_is_one_line(text: str, problem: str) -> None:
    """Each refusal is one line with the file, the line, the key and what is wrong."""
    assert problem in [each.render("f") for each in read_document(text).problems]


def test_a_document_that_doubles_itself_is_refused_before_it_is_built() -> None:
    """Nine levels of aliases, which would be a billion items, are refused for their anchors alone."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    document = read_document("\n".join(["l0: &l0 [x]", *levels]))
    assert document.value is None
    assert len(document.problems) == 10 + 90


def test_keys_are_written_as_people_write_them() -> None:
    """A path reads like an expression; positions count from 0, as in jq and Python."""
    assert key_of(("rules", 0, "route", 1)) == "rules[0].route[1]"
    assert key_of(()) == "file"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader raise: it gives a value, or at least one problem."""
    document = read_document(text)
    assert document.value is not None or document.problems


@given(st.text(alphabet="ab:-[]{}&*!|>#'\"%~ \n\t1.", max_size=60))
def test_any_text_of_yaml_signs_is_read_or_refused(text: str) -> None:
    """No arrangement of YAML's own signs makes the reader raise."""
    document = read_document(text)
    assert document.value is not None or document.problems
