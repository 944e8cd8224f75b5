"""Forms of prose: sentences in many languages, e-mails, chat turns, forms with labels."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.privacy_generated.value import Field, Fields, Form, Part, Write

_FILE = Path(__file__).parent / "sentences.tsv"
"""Type (`*`: any), language, sentence with {value}, and with {label} where it is for any type."""

WHOLE_TEXTS = 4
"""Forms that add nothing to a text, so that each half has one."""
_SUBJECTS = (
    "your request",
    "update",
    "question about the form",
    "Re: documents",
    "follow-up",
    "missing data",
)


def forms() -> Iterator[Form]:
    """Yield all forms of this file."""
    yield from _sentences()
    for name, write in {
        "e-mail": _mail, "e-mail, quoted": _quoted_mail, "letter": _letter, "note": _note,
    }.items():  # fmt: skip
        yield Form(name=name, family="e-mail", write=write)
    for name, write in {"chat turns": _chat, "chat, answer alone": _answer, "support chat": _support}.items():
        yield Form(name=name, family="chat", write=write)
    for name, write in {
        "form, a line each": _lines, "form, dots": _dotted, "form, aligned": _aligned, "form, value below": _below,
        "form, numbered": _numbered, "form, one line": _one_line, "form, equals": _equals, "form, bullets": _bullets,
    }.items():  # fmt: skip
        yield Form(name=name, family="form with labels", write=write)
    for number in range(WHOLE_TEXTS):
        yield Form(
            name=f"whole text {number}",
            family="whole text",
            write=lambda fields, random: [fields.main],
            has_label=False,
        )
    yield Form(name="alone", family="alone", write=lambda fields, random: [fields.main], has_label=False)
    yield Form(
        name="alone in quotes",
        family="alone",
        write=lambda fields, random: ['"', fields.main, '"'],
        has_label=False,
    )
    yield Form(name="list of values", family="alone", write=_list, has_label=False)
    yield Form(name="lines of values", family="alone", write=_values, has_label=False)
    yield Form(name="in brackets", family="alone", write=_brackets, has_label=False)


def _sentences() -> Iterator[Form]:
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        kind, lang, sentence = line.split("\t")
        yield Form(
            name=f"sentence {lang}: {sentence}",
            family=f"sentence, {'any type' if kind == '*' else 'of the type'}",
            write=_sentence(sentence),
            lang=lang,
            types=frozenset() if kind == "*" else frozenset({kind}),
        )


def _sentence(sentence: str) -> Write:
    def write(fields: Fields, random: Random) -> list[Part]:
        before, _, behind = sentence.replace("{label}", fields.main.label).partition("{value}")
        return [before, fields.main, behind]

    return write


def _mail(fields: Fields, random: Random) -> list[Part]:
    return [
        f"Subject: {random.choice(_SUBJECTS)}\n\nHello,\n\nthank you for the quick answer. The {fields.main.label} is ",
        fields.main, ".\n\nPlease let me know if you need anything else.\n\nKind regards",
    ]  # fmt: skip


def _quoted_mail(fields: Fields, random: Random) -> list[Part]:
    return [
        "> Could you send it again?\n>\n> ",
        f"{fields.main.label}: ",
        fields.main,
        "\n\nDone, see above. Best wishes",
    ]


def _letter(fields: Fields, random: Random) -> list[Part]:
    return ["Dear Sir or Madam,\n\nwith reference to ", f"{fields.main.label} ", fields.main,
            " I would like to ask for a confirmation in writing within two weeks.\n\nYours faithfully"]  # fmt: skip


def _note(fields: Fields, random: Random) -> list[Part]:
    return ["todo: fix the record, ", f"{fields.main.label.lower()} ", fields.main, ", then close the ticket"]


def _chat(fields: Fields, random: Random) -> list[Part]:
    return [
        f"user: What do you need?\nassistant: I need your {fields.main.label}.\nuser: ",
        fields.main,
        "\nassistant: Thank you.",
    ]


def _answer(fields: Fields, random: Random) -> list[Part]:
    return [f"What is your {fields.main.label}?\n\n", fields.main]


def _support(fields: Fields, random: Random) -> list[Part]:
    return [f"[10:{random.randrange(10, 60)}] agent: hi, how can I help\n[10:{random.randrange(10, 60)}] guest: {fields.main.label} is ",
            fields.main, f"\n[11:{random.randrange(10, 60)}] agent: thanks, one moment"]  # fmt: skip


def _labelled(fields: Fields, between: str, end: str, before: str = "") -> list[Part]:
    parts: list[Part] = []
    for each in shuffled(fields):
        parts += [f"{before}{each.label}{between}", each, end]
    return parts[:-1]


def shuffled(fields: Fields) -> list[Field]:
    """Return the values of a record, the main one at a place that its text decides."""
    record = [*fields.beside]
    record.insert(len(fields.main.text) % (len(record) + 1), fields.main)
    return record


def _lines(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, ": ", "\n")


def _dotted(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, " ....... ", "\n")


def _equals(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, " = ", "\n")


def _bullets(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, " – ", "\n", "* ")


def _one_line(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, ": ", "; ")


def _below(fields: Fields, random: Random) -> list[Part]:
    return _labelled(fields, "\n", "\n\n")


def _aligned(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = []
    for each in shuffled(fields):
        parts += [f"{each.label:<26}", each, "\n"]
    return parts


def _numbered(fields: Fields, random: Random) -> list[Part]:
    parts: list[Part] = []
    for at, each in enumerate(shuffled(fields), 1):
        parts += [f"{at}. {each.label}: ", each, "\n"]
    return parts


def _list(fields: Fields, random: Random) -> list[Part]:
    return _joined(fields, ", ")


def _values(fields: Fields, random: Random) -> list[Part]:
    return _joined(fields, "\n")


def _joined(fields: Fields, between: str) -> list[Part]:
    parts: list[Part] = []
    for each in fields.mains:
        parts += [each, between]
    return parts[:-1]


def _brackets(fields: Fields, random: Random) -> list[Part]:
    return ["see the attachment (", fields.main, ") for more"]
