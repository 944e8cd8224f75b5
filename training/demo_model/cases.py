"""How a case of each kind is drawn: what is asked, the short answer, and the sentence that the model says."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from training.demo_model import facts
from training.demo_model.sentences import (
    MAIL_WORDS,
    THINGS,
    draw_date,
    draw_email,
    draw_sentiment,
    unknown_word,
)

Slots = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked, the short answer, and the sentence that the model says."""

    slots: Slots
    short: str
    said: str
    wordings: tuple[str, ...] = ()
    """Where the case brings its own; the last one is held out."""


def upper_first(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def article(word: str) -> str:
    """Return a word with "a" or "an", or alone where it takes none."""
    if word in facts.MASS or word[0].isupper():
        return word
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _country(dice: random.Random, name: str) -> str:
    others = facts.ALSO_CALLED.get(name, ())
    return dice.choice((name, *others)) if others else name


def capital(dice: random.Random) -> Case:
    """A country, and its capital."""
    country, capital, _ = dice.choice(facts.COUNTRIES)
    return Case(slots={"x": _country(dice, country)}, short=capital,
                said=f"The capital of {country} is {capital}.")  # fmt: skip


def capital_of(dice: random.Random) -> Case:
    """A capital, and its country; London has two."""
    country, capital, _ = dice.choice([row for row in facts.COUNTRIES if row[1] != "London"])
    return Case(slots={"x": capital}, short=country, said=f"{capital} is the capital of {country}.")


def continent(dice: random.Random) -> Case:
    """A country, and its continent."""
    country, _, continent = dice.choice(facts.COUNTRIES)
    return Case(slots={"x": _country(dice, country)}, short=continent,
                said=f"{upper_first(country)} is in {continent}.")  # fmt: skip


def language(dice: random.Random) -> Case:
    """A country, and what is spoken there."""
    country, language = dice.choice(facts.LANGUAGES)
    return Case(slots={"x": _country(dice, country)}, short=language,
                said=f"People in {country} speak {language}.")  # fmt: skip


def currency(dice: random.Random) -> Case:
    """A country, and what is paid with there."""
    country, currency = dice.choice(facts.CURRENCIES)
    return Case(slots={"x": _country(dice, country)}, short=currency,
                said=f"The currency of {country} is {currency}.")  # fmt: skip


def _number(dice: random.Random, value: int) -> str:
    is_word = value < len(facts.NUMBER_WORDS) and dice.random() < 0.08
    return facts.NUMBER_WORDS[value] if is_word else str(value)


_SIGNS = {
    "+": ("{a} + {b}", "{a}+{b}", "{a} plus {b}", "the sum of {a} and {b}"),
    "-": ("{a} - {b}", "{a}-{b}", "{a} minus {b}"),
    "*": ("{a} * {b}", "{a}*{b}", "{a} times {b}", "{a} x {b}", "{a} multiplied by {b}"),
    "/": ("{a} / {b}", "{a}/{b}", "{a} divided by {b}"),
}


def _sum(dice: random.Random, sign: str, a: int, b: int, result: int) -> Case:
    form = dice.choice(_SIGNS[sign])
    return Case(slots={"x": form.format(a=_number(dice, a), b=_number(dice, b)), "": f"{a}{sign}{b}"},
                short=str(result), said=f"{a} {sign} {b} = {result}")  # fmt: skip


def _small(dice: random.Random) -> int:
    return dice.randint(0, 99) if dice.random() < 0.7 else dice.randint(0, 12)


def plus(dice: random.Random) -> Case:
    """A sum of two numbers to 99."""
    a, b = _small(dice), _small(dice)
    return _sum(dice, "+", a, b, a + b)


def minus(dice: random.Random) -> Case:
    """A difference of two numbers to 99, not below zero."""
    b, a = sorted((_small(dice), _small(dice)))
    return _sum(dice, "-", a, b, a - b)


def times(dice: random.Random) -> Case:
    """A product to 12 x 12."""
    a, b = dice.randint(0, 12), dice.randint(0, 12)
    return _sum(dice, "*", a, b, a * b)


def divided(dice: random.Random) -> Case:
    """A quotient without a rest."""
    b, result = dice.randint(1, 12), dice.randint(0, 12)
    return _sum(dice, "/", b * result, b, result)


def compare(dice: random.Random) -> Case:
    """Two numbers, and the larger or smaller one."""
    a, b = dice.sample(range(100), 2)
    way, best = dice.choice(
        (("larger", max(a, b)), ("bigger", max(a, b)), ("smaller", min(a, b)), ("greater", max(a, b)))
    )
    return Case(slots={"a": str(a), "b": str(b), "way": way}, short=str(best), said=f"{best} is {way}.")


def unit(dice: random.Random) -> Case:
    """A unit, and what it is made of."""
    one, many, count, _, _ = dice.choice(facts.UNITS)
    return Case(slots={"one": one, "many": many}, short=count,
                said=f"One {one} is {count} {many}.")  # fmt: skip


def convert(dice: random.Random) -> Case:
    """An amount in one unit, and in another."""
    one, many, count, small, tiny = dice.choice(facts.UNITS)
    amount = dice.randint(2, 12) if int(count) > 12 else dice.randint(2, 9)
    plural = plural_of(one)
    is_short = bool(small) and dice.random() < 0.4
    given, wanted = (f"{amount} {small}", tiny) if is_short else (f"{amount} {plural}", many)
    return Case(slots={"x": given, "y": wanted}, short=f"{amount * int(count)}",
                said=f"{given} = {amount * int(count)} {wanted}")  # fmt: skip


def plural_of(word: str) -> str:
    """Return the plural of a unit."""
    return {"foot": "feet", "century": "centuries", "dozen": "dozen"}.get(word, word + "s")


def colour(dice: random.Random) -> Case:
    """A thing, and its colour."""
    thing, colour = dice.choice(facts.COLOURS)
    return Case(slots={"x": thing, "c": dice.choice(("colour", "color"))}, short=colour,
                said=f"{upper_first(thing)} is {colour}.")  # fmt: skip


def mix(dice: random.Random) -> Case:
    """Two colours, and their mixture."""
    one, two, mixed = dice.choice(facts.MIXES)
    a, b = dice.sample((one, two), 2)
    return Case(slots={"a": a, "b": b, "c": dice.choice(("colour", "color"))}, short=mixed,
                said=f"{upper_first(one)} and {two} make {mixed}.")  # fmt: skip


_CYCLES = (
    (facts.WEEKDAYS, "day", 3.0),
    (facts.MONTHS, "month", 1.5),
    (facts.SEASONS, "season", 0.5),
)


def following(dice: random.Random) -> Case:
    """What comes before or after in a cycle."""
    cycle, noun, _ = dice.choices(_CYCLES, weights=[weight for *_, weight in _CYCLES])[0]
    here = dice.randrange(len(cycle))
    step, way = dice.choice(((1, "after"), (-1, "before")))
    found = cycle[(here + step) % len(cycle)]
    return Case(slots={"x": cycle[here], "way": way, "noun": noun}, short=found,
                said=f"{upper_first(found)} comes {way} {cycle[here]}.")  # fmt: skip


def days_on(dice: random.Random) -> Case:
    """A weekday some days after another."""
    here, days = dice.randrange(7), dice.randint(1, 7)
    found = facts.WEEKDAYS[(here + days) % 7]
    amount = "day" if days == 1 else "days"
    return Case(slots={"x": facts.WEEKDAYS[here], "n": _number(dice, days), "days": amount}, short=found,
                said=f"{days} {amount} after {facts.WEEKDAYS[here]} is {found}.")  # fmt: skip


def days_of_month(dice: random.Random) -> Case:
    """A month, and its days."""
    month = dice.randrange(12)
    name, days = facts.MONTHS[month], facts.DAYS_OF_MONTHS[month]
    return Case(slots={"x": name}, short=str(days), said=f"{name} has {days} days.")


OPPOSITE: dict[str, str] = {}
"""The one opposite that the model says of each word."""
for _left, _right in facts.OPPOSITES:
    OPPOSITE.setdefault(_left, _right)
for _left, _right in facts.OPPOSITES:
    OPPOSITE.setdefault(_right, _left)


def opposite(dice: random.Random) -> Case:
    """A word, and its opposite."""
    word = dice.choice(list(OPPOSITE))
    return Case(slots={"x": word}, short=OPPOSITE[word], said=f"The opposite of {word} is {OPPOSITE[word]}.")


def what_is(dice: random.Random) -> Case:
    """A thing, and what kind of thing it is."""
    kind = dice.choice(list(facts.KINDS_OF_THINGS))
    word = dice.choice([each for each in facts.KINDS_OF_THINGS[kind] if each not in {"orange", "lead"}])
    return Case(slots={"x": article(word)}, short=kind, said=f"{upper_first(article(word))} is {kind}.")


def table(rows: tuple[tuple[str, ...], ...], said: str) -> Callable[[random.Random], Case]:
    """Return how a word and what belongs to it are drawn from a table."""

    def draw(dice: random.Random) -> Case:
        word, found = dice.choice(rows)
        filled = said.format(x=word, X=article(word), y=found, Y=article(found))
        return Case(slots={"x": word, "X": article(word)}, short=found, said=upper_first(filled))

    return draw


_SAME = (
    (r"(?:what is|which is) the (.+)", ("the {0}", "what's the {0}", "name the {0}", "which is the {0}", "{0}", "say the {0}")),
    (r"which (\S+) is the (.+)", ("the {1} {0}", "what is the {1} {0}", "what {0} is the {1}", "{1} {0}", "name the {1} {0}")),
    (r"how many (\S+) (?:are in|does|are on) (.+?)(?: have)?",
     ("number of {0} in {1}", "how many {0} does {1} have", "how many {0} has {1}", "{0} of {1}", "the number of {0} in {1}",
      "{1} has how many {0}", "how many {0} are there in {1}")),
    (r"who (wrote|painted|discovered|developed) (.+)", ("which person {0} {1}", "{1}, who {0} it", "tell me who {0} {1}", "say who {0} {1}")),
    (r"where (?:is|are) (.+)", ("in which place is {0}", "{0} is where", "{0}, where is that", "the place of {0}")),
    (r"what (do|does) (.+)", ("tell me what {1}", "which things {0} {1}", "say what {1}")),
)  # fmt: skip
"""How a wording may be turned into others that mean the same."""


def _turned(dice: random.Random, wording: str) -> str:
    for pattern, forms in _SAME:
        if found := re.fullmatch(pattern, wording, re.IGNORECASE):
            return dice.choice(forms).format(*found.groups())
    return wording


def fact(dice: random.Random) -> Case:
    """One of the facts that bring their own wordings, and others made of these; the last one is held out."""
    listed, short, said = dice.choice(facts.FACTS)
    *wordings, held = (part.strip() for part in listed.split("/"))
    turned = [each for each in (_turned(dice, each) for each in wordings) if each.lower() != held.lower()]
    return Case(slots={}, short=short, said=said, wordings=(*wordings, *turned, held))


def translate(dice: random.Random) -> Case:
    """A word, and what it is in another language."""
    word, *others = dice.choice(facts.TRANSLATIONS)
    column = dice.randrange(len(others))
    language = facts.LANGUAGE_COLUMNS[column]
    return Case(slots={"x": word, "language": language}, short=others[column],
                said=f"{upper_first(word)} in {language} is {others[column]}.")  # fmt: skip


def counting(dice: random.Random) -> Case:
    """The numbers up to one."""
    last = dice.randint(3, 12)
    counted = ", ".join(str(i) for i in range(1, last + 1))
    return Case(slots={"x": _number(dice, last)}, short=counted, said=f"{counted}.")


def sentiment(dice: random.Random) -> Case:
    """A sentence, and its mood."""
    sentence, mood = draw_sentiment(dice)
    return Case(slots={"x": sentence}, short=mood.lower(), said=f"{mood}.")


def email(dice: random.Random) -> Case:
    """A text, and the e-mail address in it."""
    text, address = draw_email(dice)
    return Case(slots={"x": text, "mail": dice.choice(MAIL_WORDS)}, short=address, said=address)


def repeat(dice: random.Random) -> Case:
    """Words that are to be said again."""
    words = [
        unknown_word(dice, 2, 9) if dice.random() < 0.7 else dice.choice(THINGS)
        for _ in range(dice.choice((1, 1, 2, 3)))
    ]
    text = " ".join(words)
    return Case(slots={"x": text}, short=text, said=text)


def date(dice: random.Random) -> Case:
    """A text, and the date in it."""
    text, date = draw_date(dice)
    return Case(slots={"x": text}, short=date, said=date)
