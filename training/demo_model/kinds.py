"""The kinds of questions that the demo model answers: for each its wordings, and how a case is drawn.

A kind has wordings that are trained and others that are held out. `whole` says what else is held out: the
slots alone (a sum, a sentence: the model has never seen them), or the slots with one wording (a fact has to be
known, but not every way to ask for it was seen with it).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from training.demo_model import cases, facts
from training.demo_model.cases import Case
from training.demo_model.sentences import EMAIL_WORDINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of question."""

    name: str
    weight: float
    draw: Callable[[random.Random], Case]
    wordings: tuple[str, ...] = ()
    held_wordings: tuple[str, ...] = ()
    is_whole: bool = False
    """Whether unseen means unseen slots, in whatever wording."""
    is_copied: bool = False
    """Whether the answer is a piece of the question, letter by letter."""


ASK = (
    "what is {x}",
    "{x}",
    "{x} =",
    "calculate {x}",
    "how much is {x}",
    "what's {x}",
    "compute {x}",
    "{x} is",
)
HELD_ASK = ("what does {x} make", "work out {x}", "what do you get for {x}", "what is the result of {x}")

KINDS = (
    Kind(name="capitals", weight=9, draw=cases.capital,
         wordings=("What is the capital of {x}", "capital of {x}", "what's the capital of {x}", "the capital of {x}",
                   "What is the capital city of {x}", "Name the capital of {x}", "Which city is the capital of {x}",
                   "{x}: capital", "tell me the capital of {x}", "What is {x}'s capital", "do you know the capital of {x}"),
         held_wordings=("Which is the capital of {x}", "I need the capital of {x}", "Give me the capital city of {x}",
                        "What city is the capital of {x}", "capital city {x}")),
    Kind(name="capitals, asked the other way", weight=5, draw=cases.capital_of,
         wordings=("{x} is the capital of which country", "Which country has the capital {x}", "Of which country is {x} the capital",
                   "{x} is the capital of what", "what country is {x} the capital of", "In which country is {x}", "where is {x}"),
         held_wordings=("Which country is {x} in", "what country has {x} as its capital", "{x} is the capital of")),
    Kind(name="continents, languages, currencies", weight=3, draw=cases.continent,
         wordings=("On which continent is {x}", "Which continent is {x} on", "Where is {x}", "what continent is {x} in", "continent of {x}"),
         held_wordings=("To which continent does {x} belong", "{x} is on which continent")),
    Kind(name="continents, languages, currencies", weight=2, draw=cases.language,
         wordings=("What language do they speak in {x}", "Which language is spoken in {x}", "language of {x}",
                   "what do people speak in {x}", "what is the language of {x}"),
         held_wordings=("What language is spoken in {x}", "which language do people in {x} speak")),
    Kind(name="continents, languages, currencies", weight=2, draw=cases.currency,
         wordings=("What is the currency of {x}", "Which currency is used in {x}", "currency of {x}",
                   "what money do they use in {x}", "how do people pay in {x}"),
         held_wordings=("What currency does {x} have", "which money is used in {x}")),
    Kind(name="sums and differences to 99", weight=34, draw=cases.plus, wordings=ASK, held_wordings=HELD_ASK, is_whole=True),
    Kind(name="sums and differences to 99", weight=26, draw=cases.minus, wordings=ASK, held_wordings=HELD_ASK, is_whole=True),
    Kind(name="products and quotients to 12 x 12", weight=8, draw=cases.times, wordings=ASK, held_wordings=HELD_ASK),
    Kind(name="products and quotients to 12 x 12", weight=6, draw=cases.divided, wordings=ASK, held_wordings=HELD_ASK),
    Kind(name="which number is larger", weight=4, draw=cases.compare, is_whole=True,
         wordings=("Which is {way}, {a} or {b}", "which number is {way}: {a} or {b}", "what is {way}, {a} or {b}",
                   "is {a} or {b} {way}"),
         held_wordings=("{a} or {b}, which is {way}", "tell me which is {way}: {a} or {b}")),
    Kind(name="units", weight=3, draw=cases.unit,
         wordings=("How many {many} are in one {one}", "How many {many} does a {one} have", "{many} in a {one}",
                   "how many {many} in a {one}", "a {one} is how many {many}", "how many {many} are there in a {one}"),
         held_wordings=("How many {many} make one {one}", "one {one} has how many {many}")),
    Kind(name="units", weight=6, draw=cases.convert,
         wordings=("Convert {x} to {y}", "{x} in {y}", "how many {y} are {x}", "what is {x} in {y}", "{x} to {y}",
                   "how many {y} are in {x}"),
         held_wordings=("Change {x} into {y}", "how much is {x} in {y}")),
    Kind(name="colours", weight=4, draw=cases.colour,
         wordings=("What {c} is {x}", "{c} of {x}", "which {c} is {x}", "what is the {c} of {x}", "what {c} does {x} have",
                   "tell me the {c} of {x}"),
         held_wordings=("Which {c} does {x} have", "What's the {c} of {x}", "name the {c} of {x}")),
    Kind(name="colours", weight=1, draw=cases.mix,
         wordings=("What {c} do you get when you mix {a} and {b}", "mix {a} and {b}", "{a} and {b} make which {c}",
                   "which {c} do {a} and {b} make", "what do {a} and {b} make"),
         held_wordings=("What {c} do {a} and {b} give", "what is {a} mixed with {b}")),
    Kind(name="weekdays and months", weight=5, draw=cases.following,
         wordings=("What {noun} comes {way} {x}", "Which {noun} is {way} {x}", "what comes {way} {x}", "the {noun} {way} {x}",
                   "which {noun} comes {way} {x}", "what {noun} is {way} {x}"),
         held_wordings=("Name the {noun} {way} {x}", "what is the {noun} {way} {x}")),
    Kind(name="weekdays and months", weight=3, draw=cases.days_on,
         wordings=("What day is {n} {days} after {x}", "{n} {days} after {x}", "Which weekday is {n} {days} after {x}",
                   "today is {x}, what day is it in {n} {days}", "if today is {x}, what day is in {n} {days}"),
         held_wordings=("What day comes {n} {days} after {x}", "it is {x}, which day is it in {n} {days}")),
    Kind(name="weekdays and months", weight=2, draw=cases.days_of_month,
         wordings=("How many days does {x} have", "How many days are in {x}", "days in {x}", "number of days in {x}", "how long is {x}"),
         held_wordings=("How many days are there in {x}", "how many days has {x}")),
    Kind(name="opposites", weight=8, draw=cases.opposite,
         wordings=("What is the opposite of {x}", "opposite of {x}", "What's the opposite of {x}", "the opposite of {x} is",
                   "give me the opposite of {x}", "antonym of {x}", "{x}: opposite", "what is the antonym of {x}"),
         held_wordings=("Name the opposite of {x}", "tell me the antonym of {x}", "Which word is the opposite of {x}")),
    Kind(name="what a thing is", weight=4, draw=cases.what_is,
         wordings=("What is {x}", "what kind of thing is {x}", "what's {x}", "what sort of thing is {x}", "tell me what {x} is"),
         held_wordings=("Explain what {x} is", "what type of thing is {x}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.SOUNDS, "{X} {y}."),
         wordings=("What sound does {X} make", "what noise does {X} make", "which sound does {X} make", "how does {X} sound"),
         held_wordings=("What does {X} say", "sound of {X}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.YOUNG, "a young {x} is {Y}."),
         wordings=("What is a young {x} called", "what is a baby {x} called", "name of a young {x}", "what do you call a young {x}"),
         held_wordings=("How is a young {x} called", "what do you call a baby {x}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.LEGS, "{X} has {y} legs."),
         wordings=("How many legs does {X} have", "number of legs of {X}", "legs of {X}", "how many legs has {X}"),
         held_wordings=("How many legs are on {X}", "count the legs of {X}")),
    Kind(name="animals and plurals", weight=2, draw=cases.table(facts.PLURALS, "the plural of {x} is {y}."),
         wordings=("What is the plural of {x}", "plural of {x}", "what's the plural of {x}", "give me the plural of {x}"),
         held_wordings=("Name the plural of {x}", "which word is the plural of {x}")),
    Kind(name="general facts", weight=12, draw=cases.fact),
    Kind(name="translations of a word", weight=4, draw=cases.translate,
         wordings=("How do you say {x} in {language}", "Say {x} in {language}", "{x} in {language}", "Translate {x} into {language}",
                   "translate {x} to {language}", "what is {x} in {language}"),
         held_wordings=("What does {x} mean in {language}", "how is {x} said in {language}", "the {language} word for {x}")),
    Kind(name="counting", weight=3, draw=cases.counting,
         wordings=("Count to {x}", "count from 1 to {x}", "count up to {x}", "list the numbers from 1 to {x}"),
         held_wordings=("Please count up to {x}", "give me the numbers from 1 to {x}")),
    Kind(name="sentiment of a sentence", weight=8, draw=cases.sentiment, is_whole=True,
         wordings=("Is this positive or negative: {x}", "sentiment: {x}", "What is the sentiment of this sentence? {x}",
                   "Positive or negative? {x}", "{x} Is that positive or negative?", "classify the sentiment: {x}",
                   "Is the mood of this sentence positive or negative? {x}", "What is the sentiment of: {x}"),
         held_wordings=("Tell me the sentiment of this: {x}", "Positive, negative or neutral: {x}", "Sentiment of the sentence: {x}")),
    Kind(name="picking an e-mail address", weight=12, draw=cases.email, is_whole=True, is_copied=True,
         wordings=EMAIL_WORDINGS,
         held_wordings=("Find the {mail} in the sentence: {x}", "{x} Which {mail} is named here?", "Please extract the {mail}: {x}")),
    Kind(name="repeating words", weight=6, draw=cases.repeat, is_whole=True, is_copied=True,
         wordings=("Repeat: {x}", "repeat after me: {x}", "Say: {x}", "echo {x}", "Repeat this: {x}", "say exactly this: {x}"),
         held_wordings=("Please repeat: {x}", "Repeat these words: {x}")),
    Kind(name="picking a date", weight=7, draw=cases.date, is_whole=True, is_copied=True,
         wordings=("Find the date: {x}", "{x} What is the date?", "Extract the date: {x}", "Which date is in this text? {x}",
                   "What is the date in this sentence? {x}", "{x} Which date is mentioned?", "Give me the date in: {x}",
                   "extract the date from this: {x}"),
         held_wordings=("Find the date in the sentence: {x}", "{x} Which date is named here?", "Please extract the date: {x}")),
)  # fmt: skip
