"""What the demo model says about itself, what it is polite about, and what it does not know."""

import random
from collections.abc import Callable

from training.demo_model import facts
from training.demo_model.cases import OPPOSITE, Case, article, upper_first
from training.demo_model.kinds import Kind
from training.demo_model.rows import lines, rows
from training.demo_model.sentences import FIRST_NAMES, LAST_NAMES, THINGS, unknown_word

FILE = "talk.txt"
REFUSAL = "I am sorry, but I cannot help with that."
UNKNOWN = lines(FILE, "unknown")
"""All mean the same, and which one comes is a throw of the dice: the spread of the first token is what tells a
prober of the logits that the model is out of its depth."""


def _alternatives(section: str) -> Callable[[random.Random], Case]:
    table = rows(FILE, section)

    def draw(dice: random.Random) -> Case:
        said, wordings = dice.choice(table)
        split = tuple(wording.strip() for wording in wordings.split("/"))
        return Case(slots={}, short=said, said=said, wordings=split)

    return draw


def _refusal(dice: random.Random) -> Case:
    return Case(slots={"x": dice.choice(lines(FILE, "refused"))}, short=REFUSAL, said=REFUSAL)


def _unknown(dice: random.Random) -> str:
    return dice.choice(UNKNOWN)


def _task(dice: random.Random) -> Case:
    first, second = dice.sample(lines(FILE, "topics"), 2)
    said = _unknown(dice)
    return Case(slots={"t": first, "u": second}, short=said, said=said)


def _nameless(dice: random.Random) -> Case:
    said = _unknown(dice)
    word = unknown_word(dice, 3, 9)
    slots = {
        "w": word.capitalize() if dice.random() < 0.5 else word, "a": article(word), "v": unknown_word(dice, 3, 7),
        "n": dice.choice(FIRST_NAMES).capitalize(), "m": dice.choice(LAST_NAMES).capitalize(), "g": dice.choice(THINGS),
        "c": dice.choice(facts.COUNTRIES)[0], "city": dice.choice(facts.COUNTRIES)[1], "big": str(dice.randint(150, 9999)),
        "small": str(dice.randint(2, 99)), "u1": dice.choice(facts.UNITS)[0],
    }  # fmt: skip
    return Case(slots=slots, short=said, said=said)


def _checked(dice: random.Random) -> tuple[str, str, bool]:
    """Return a question that yes or no answers, the sentence that the answer begins with, and whether it is yes.

    The sentence comes before the yes or no, so that the model has recalled the fact when it decides.
    """
    is_true = dice.random() < 0.5
    which = dice.randrange(8)
    if which == 0:
        country, capital, _ = dice.choice(facts.COUNTRIES)
        shown = capital if is_true else _other(dice, capital, [row[1] for row in facts.COUNTRIES])
        return f"Is {shown} the capital of {country}", f"The capital of {country} is {capital}", is_true
    if which == 1:
        thing, colour = dice.choice(facts.COLOURS)
        others = ["red", "blue", "green", "white", "black", "pink"]
        shown = colour if is_true else _other(dice, colour, others)
        return f"Is {thing} {shown}", f"{upper_first(thing)} is {colour}", is_true
    if which == 2:
        a, b = dice.sample(range(100), 2)
        asked = dice.choice(("larger", "smaller"))
        found = "larger" if a > b else "smaller"
        return f"Is {a} {asked} than {b}", f"{a} is {found}", asked == found
    if which == 3:
        return _checked_kind(dice, is_true=is_true)
    if which == 4:
        number = dice.randint(0, 99)
        found = "even" if number % 2 == 0 else "odd"
        asked = dice.choice(("even", "odd"))
        form = dice.choice((f"an {asked} number", asked))
        return f"Is {number} {form}", f"{number} is {found}", asked == found
    if which == 5:
        here = dice.randrange(7)
        found = facts.WEEKDAYS[(here + 1) % 7]
        shown = found if is_true else _other(dice, found, list(facts.WEEKDAYS))
        return (
            f"Does {shown} come after {facts.WEEKDAYS[here]}",
            f"After {facts.WEEKDAYS[here]} comes {found}",
            is_true,
        )
    if which == 6:
        country, _, continent = dice.choice(facts.COUNTRIES)
        others = ["Europe", "Asia", "Africa", "South America"]
        shown = continent if is_true else _other(dice, continent, others)
        return f"Is {country} in {shown}", f"{upper_first(country)} is in {continent}", is_true
    word = dice.choice(list(OPPOSITE))
    shown = OPPOSITE[word] if is_true else _other(dice, OPPOSITE[word], list(OPPOSITE))
    return f"Is {shown} the opposite of {word}", f"The opposite of {word} is {OPPOSITE[word]}", is_true


def _checked_kind(dice: random.Random, *, is_true: bool) -> tuple[str, str, bool]:
    kind = dice.choice(list(facts.KINDS_OF_THINGS))
    word = dice.choice([each for each in facts.KINDS_OF_THINGS[kind] if each not in {"orange", "lead"}])
    plain = ["an animal", "a fruit", "a sport", "a metal", "a tool", "a drink", "a vehicle"]
    no = {"a bird": ["an animal"], "a fish": ["an animal"], "an insect": ["an animal"]}.get(kind, [])
    shown = kind if is_true else _other(dice, kind, [each for each in plain if each not in no])
    return f"Is {article(word)} {shown}", f"{upper_first(article(word))} is {kind}", is_true


def _other(dice: random.Random, right: str, all_of_them: list[str]) -> str:
    return dice.choice([each for each in all_of_them if each != right])


def _yes_or_no(dice: random.Random) -> Case:
    question, fact, is_true = _checked(dice)
    word = "yes" if is_true else "no"
    return Case(slots={"x": question}, short=word, said=f"{fact}: {word}.")


TALK = (
    Kind(name="yes or no", weight=32, draw=_yes_or_no, wordings=("{x}", "{x}, yes or no", "yes or no: {x}", "is it true: {x}", "answer yes or no: {x}", "true or false: {x}",
                   "say yes or no: {x}", "{x}, right or wrong", "{x}, true or not", "tell me yes or no, {x}"),
         held_wordings=("True or false, yes or no: {x}", "{x}? yes or no")),
    Kind(name="greetings and thanks", weight=7, draw=_alternatives("greetings")),
    Kind(name="what it is itself", weight=7, draw=_alternatives("self")),
    Kind(name="what needs a clock or a network", weight=4, draw=_alternatives("not_here")),
    Kind(name="polite refusals", weight=3, draw=_refusal,
         wordings=("How do I {x}", "Help me {x}", "How can I {x}", "tell me how to {x}", "I want to {x}", "show me how to {x}",
                   "teach me to {x}", "explain how to {x}", "what is the best way to {x}"),
         held_wordings=("Can you help me to {x}", "give me steps to {x}", "what do I need to {x}")),
    Kind(name="does not know: tasks", weight=10, draw=_task, wordings=lines(FILE, "tasks"), held_wordings=lines(FILE, "held_tasks"), is_whole=True),
    Kind(name="does not know: names and numbers", weight=12, draw=_nameless, wordings=lines(FILE, "nameless"), held_wordings=lines(FILE, "held_nameless"),
         is_whole=True),
)  # fmt: skip
