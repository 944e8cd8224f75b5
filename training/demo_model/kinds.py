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
    "tell me {x}",
    "{x} equals",
    "what is {x} equal to",
    "find {x}",
    "solve {x}",
    "what is the answer to {x}",
    "do {x}",
    "give me {x}",
    "how much does {x} make",
    "what comes out of {x}",
    "evaluate {x}",
    "the value of {x}",
    "what do I get for {x}",
    "what does {x} give",
    "the result of {x}",
    "what does {x} come to",
)
HELD_ASK = ("what does {x} make", "work out {x}", "what do you get for {x}", "what is the result of {x}")

KINDS = (
    Kind(name="capitals", weight=6, draw=cases.capital,
         wordings=("What is the capital of {x}", "capital of {x}", "what's the capital of {x}", "the capital of {x}",
                   "What is the capital city of {x}", "Name the capital of {x}", "Which city is the capital of {x}",
                   "{x}: capital", "tell me the capital of {x}", "What is {x}'s capital", "do you know the capital of {x}",
                   "{x}, what is its capital", "which city is {x}'s capital", "say the capital of {x}", "what do you call the capital of {x}", "capital for {x}", "the capital city of {x} is", "what city is {x}'s capital", "where is the government of {x}"),
         held_wordings=("Which is the capital of {x}", "I need the capital of {x}", "Give me the capital city of {x}",
                        "What city is the capital of {x}", "capital city {x}")),
    Kind(name="capitals, asked the other way", weight=7, draw=cases.capital_of,
         wordings=("{x} is the capital of which country", "Which country has the capital {x}", "Of which country is {x} the capital",
                   "{x} is the capital of what", "what country is {x} the capital of", "In which country is {x}", "where is {x}",
                   "which land has {x} as capital", "{x} is the capital city of which country", "name the country whose capital is {x}", "{x} belongs to which country", "which country does {x} belong to", "{x} lies in which country", "of what country is {x} the capital", "country with the capital {x}", "{x} is in which country", "the city of {x} is in which country", "{x} is the capital of where", "what nation has {x} as its capital", "tell me the country of {x}", "what country is {x} in", "whose capital is {x}"),
         held_wordings=("Which country is {x} in", "what country has {x} as its capital", "{x} is the capital of")),
    Kind(name="continents, languages, currencies", weight=3, draw=cases.continent,
         wordings=("On which continent is {x}", "Which continent is {x} on", "Where is {x}", "what continent is {x} in", "continent of {x}",
                   "{x} lies on which continent", "which continent has {x}", "which continent does {x} belong to", "in what continent is {x}", "{x} is part of which continent", "the continent of {x}", "what continent is {x} on", "on what continent does {x} lie"),
         held_wordings=("To which continent does {x} belong", "{x} is on which continent")),
    Kind(name="continents, languages, currencies", weight=2, draw=cases.language,
         wordings=("What language do they speak in {x}", "Which language is spoken in {x}", "language of {x}",
                   "what do people speak in {x}", "what is the language of {x}",
                   "which language do they speak in {x}", "what language do people in {x} speak", "the language of {x}", "language spoken in {x}", "in {x} they speak what", "what is spoken in {x}", "which language does {x} have", "what do they speak in {x}"),
         held_wordings=("What language is spoken in {x}", "which language do people in {x} speak")),
    Kind(name="continents, languages, currencies", weight=2, draw=cases.currency,
         wordings=("What is the currency of {x}", "Which currency is used in {x}", "currency of {x}",
                   "what money do they use in {x}", "how do people pay in {x}",
                   "what is {x}'s currency", "the currency of {x}", "which currency does {x} have", "what currency do they use in {x}", "money of {x}", "what money is used in {x}", "in which currency do they pay in {x}", "which money do people have in {x}"),
         held_wordings=("What currency does {x} have", "which money is used in {x}")),
    Kind(name="sums and differences to 99", weight=28, draw=cases.plus, wordings=ASK, held_wordings=HELD_ASK, is_whole=True),
    Kind(name="sums and differences to 99", weight=22, draw=cases.minus, wordings=ASK, held_wordings=HELD_ASK, is_whole=True),
    Kind(name="products and quotients to 12 x 12", weight=8, draw=cases.times, wordings=ASK, held_wordings=HELD_ASK),
    Kind(name="products and quotients to 12 x 12", weight=6, draw=cases.divided, wordings=ASK, held_wordings=HELD_ASK),
    Kind(name="which number is larger", weight=9, draw=cases.compare, is_whole=True,
         wordings=("Which is {way}, {a} or {b}", "which number is {way}: {a} or {b}", "what is {way}, {a} or {b}",
                   "is {a} or {b} {way}",
                   "{way}: {a} or {b}", "{a} or {b}: which is {way}", "the {way} one of {a} and {b}", "which of {a} and {b} is {way}", "compare {a} and {b}, which is {way}", "which number is {way}, {a} or {b}", "between {a} and {b}, which is {way}", "{a} or {b}: {way}", "which one is {way}, {a} or {b}"),
         held_wordings=("{a} or {b}, which is {way}", "tell me which is {way}: {a} or {b}")),
    Kind(name="units", weight=4, draw=cases.unit,
         wordings=("How many {many} are in one {one}", "How many {many} does a {one} have", "{many} in a {one}",
                   "how many {many} in a {one}", "a {one} is how many {many}", "how many {many} are there in a {one}",
                   "how many {many} are one {one}", "{one} in {many}", "one {one} in {many}", "how many {many} go into a {one}", "a {one} has how many {many}", "how many {many} is a {one}", "how many {many} make up a {one}", "a {one} is made of how many {many}", "the number of {many} in one {one}", "how many {many} has a {one}", "one {one} is how many {many}"),
         held_wordings=("How many {many} make one {one}", "one {one} has how many {many}")),
    Kind(name="units", weight=6, draw=cases.convert,
         wordings=("Convert {x} to {y}", "{x} in {y}", "how many {y} are {x}", "what is {x} in {y}", "{x} to {y}",
                   "how many {y} are in {x}",
                   "turn {x} into {y}", "{x} as {y}", "how many {y} is {x}", "express {x} in {y}", "how much are {x} in {y}", "{x} is how many {y}", "{x} are how many {y}", "change {x} to {y}", "make {x} into {y}", "give me {x} in {y}", "write {x} in {y}", "{x} = how many {y}"),
         held_wordings=("Change {x} into {y}", "how much is {x} in {y}")),
    Kind(name="colours", weight=3, draw=cases.colour,
         wordings=("What {c} is {x}", "{c} of {x}", "which {c} is {x}", "what is the {c} of {x}", "what {c} does {x} have",
                   "tell me the {c} of {x}",
                   "{x}: which {c}", "what's the {c} {x} has", "the {c} of {x}", "say the {c} of {x}", "do you know the {c} of {x}", "which is the {c} of {x}", "what {c} has {x}"),
         held_wordings=("Which {c} does {x} have", "What's the {c} of {x}", "name the {c} of {x}")),
    Kind(name="colours", weight=1, draw=cases.mix,
         wordings=("What {c} do you get when you mix {a} and {b}", "mix {a} and {b}", "{a} and {b} make which {c}",
                   "which {c} do {a} and {b} make", "what do {a} and {b} make",
                   "which {c} comes out when you mix {a} and {b}", "{a} mixed with {b}", "{a} plus {b}, which {c}", "what {c} is {a} and {b} together", "{a} and {b} together give which {c}", "what do you get from {a} and {b}", "mixing {a} with {b} gives what {c}"),
         held_wordings=("What {c} do {a} and {b} give", "what is {a} mixed with {b}")),
    Kind(name="weekdays and months", weight=5, draw=cases.following,
         wordings=("What {noun} comes {way} {x}", "Which {noun} is {way} {x}", "what comes {way} {x}", "the {noun} {way} {x}",
                   "which {noun} comes {way} {x}", "what {noun} is {way} {x}",
                   "say the {noun} {way} {x}", "which one comes {way} {x}", "tell me the {noun} {way} {x}", "what's the {noun} {way} {x}", "what is {way} {x}", "{way} {x} comes which {noun}", "which is the {noun} {way} {x}", "give me the {noun} {way} {x}"),
         held_wordings=("Name the {noun} {way} {x}", "what is the {noun} {way} {x}")),
    Kind(name="weekdays and months", weight=3, draw=cases.days_on,
         wordings=("What day is {n} {days} after {x}", "{n} {days} after {x}", "Which weekday is {n} {days} after {x}",
                   "today is {x}, what day is it in {n} {days}", "if today is {x}, what day is in {n} {days}",
                   "what day is it {n} {days} after {x}", "{x} plus {n} {days}", "which day is {n} {days} after {x}", "{n} {days} from {x} is which day", "if it is {x}, which day comes in {n} {days}", "today is {x}; in {n} {days} it is what day", "which day comes {n} {days} after {x}", "it is {x} today, what day is it in {n} {days}"),
         held_wordings=("What day comes {n} {days} after {x}", "it is {x}, which day is it in {n} {days}")),
    Kind(name="weekdays and months", weight=2, draw=cases.days_of_month,
         wordings=("How many days does {x} have", "How many days are in {x}", "days in {x}", "number of days in {x}", "how long is {x}",
                   "how many days are in the month of {x}", "the number of days in {x}", "{x} has how many days", "how many days is {x} long", "how many days long is {x}", "what is the number of days in {x}", "count the days of {x}", "how many days there are in {x}"),
         held_wordings=("How many days are there in {x}", "how many days has {x}")),
    Kind(name="opposites", weight=6, draw=cases.opposite,
         wordings=("What is the opposite of {x}", "opposite of {x}", "What's the opposite of {x}", "the opposite of {x} is",
                   "give me the opposite of {x}", "antonym of {x}", "{x}: opposite", "what is the antonym of {x}",
                   "say the opposite of {x}", "which is the opposite of {x}", "the antonym of {x}", "what word is the opposite of {x}", "{x} and its opposite", "the opposite word of {x}", "tell me the opposite of {x}", "what's the antonym of {x}", "find the opposite of {x}"),
         held_wordings=("Name the opposite of {x}", "tell me the antonym of {x}", "Which word is the opposite of {x}")),
    Kind(name="what a thing is", weight=6, draw=cases.what_is,
         wordings=("What is {x}", "what kind of thing is {x}", "what's {x}", "what sort of thing is {x}", "tell me what {x} is",
                   "can you say what {x} is", "say what {x} is", "what kind of a thing is {x}", "describe what {x} is", "what exactly is {x}", "which kind of thing is {x}", "{x}: what is it", "explain to me what {x} is", "what is {x} exactly", "what would you call {x}", "which sort of thing is {x}", "what type of a thing is {x}", "of what kind is {x}", "explain what kind of thing {x} is", "I want to know what {x} is"),
         held_wordings=("Explain what {x} is", "what type of thing is {x}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.SOUNDS, "{X} {y}."),
         wordings=("What sound does {X} make", "what noise does {X} make", "which sound does {X} make", "how does {X} sound",
                   "which noise does {X} make", "what does {X} sound like", "noise of {X}", "the sound of {X}", "tell me the sound of {X}", "what is the sound of {X}", "how does {X} go", "what sound comes from {X}", "what noise comes from {X}", "which sound do you hear from {X}", "what do you hear {X} say", "{X} says what"),
         held_wordings=("What does {X} say", "sound of {X}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.YOUNG, "a young {x} is {Y}."),
         wordings=("What is a young {x} called", "what is a baby {x} called", "name of a young {x}", "what do you call a young {x}",
                   "how do you call a young {x}", "how is a baby {x} called", "a young {x} is called what", "what is the name of a young {x}", "the word for a young {x}", "what do people call a baby {x}", "which word is used for a young {x}", "a baby {x} is called"),
         held_wordings=("How is a young {x} called", "what do you call a baby {x}")),
    Kind(name="animals and plurals", weight=1.2, draw=cases.table(facts.LEGS, "{X} has {y} legs."),
         wordings=("How many legs does {X} have", "number of legs of {X}", "legs of {X}", "how many legs has {X}",
                   "how many legs are there on {X}", "{X} has how many legs", "the number of legs of {X}", "how many legs of {X}", "count legs of {X}", "what is the number of legs of {X}", "on how many legs does {X} go"),
         held_wordings=("How many legs are on {X}", "count the legs of {X}")),
    Kind(name="animals and plurals", weight=2, draw=cases.table(facts.PLURALS, "the plural of {x} is {y}."),
         wordings=("What is the plural of {x}", "plural of {x}", "what's the plural of {x}", "give me the plural of {x}",
                   "the plural of {x}", "say the plural of {x}", "plural form of {x}", "what is the plural form of {x}", "which is the plural of {x}", "one {x}, two what", "tell me the plural of {x}", "what word is the plural of {x}"),
         held_wordings=("Name the plural of {x}", "which word is the plural of {x}")),
    Kind(name="general facts", weight=14, draw=cases.fact),
    Kind(name="translations of a word", weight=7, draw=cases.translate,
         wordings=("How do you say {x} in {language}", "Say {x} in {language}", "{x} in {language}", "Translate {x} into {language}",
                   "translate {x} to {language}", "what is {x} in {language}",
                   "{x} translated into {language}", "the word {x} in {language}", "which word is {x} in {language}", "what do people say for {x} in {language}", "give me the {language} word for {x}", "what is the {language} word for {x}", "what is the meaning of {x} in {language}", "how is {x} called in {language}", "{x}, in {language}", "how do people say {x} in {language}", "tell me {x} in {language}", "what would {x} be in {language}", "{language} word for {x}", "{language} for {x}", "{x} means what in {language}", "what does the word {x} mean in {language}", "how would you say {x} in {language}", "write {x} in {language}"),
         held_wordings=("What does {x} mean in {language}", "how is {x} said in {language}", "the {language} word for {x}")),
    Kind(name="counting", weight=5, draw=cases.counting,
         wordings=("Count to {x}", "count from 1 to {x}", "count up to {x}", "list the numbers from 1 to {x}",
                   "numbers from 1 to {x}", "count: 1 to {x}", "say the numbers up to {x}", "count on up to {x}", "all numbers from 1 to {x}", "write the numbers from 1 to {x}", "tell me the numbers from 1 to {x}", "count for me to {x}"),
         held_wordings=("Please count up to {x}", "give me the numbers from 1 to {x}")),
    Kind(name="sentiment of a sentence", weight=5, draw=cases.sentiment, is_whole=True,
         wordings=("Is this positive or negative: {x}", "sentiment: {x}", "What is the sentiment of this sentence? {x}",
                   "Positive or negative? {x}", "{x} Is that positive or negative?", "classify the sentiment: {x}",
                   "Is the mood of this sentence positive or negative? {x}", "What is the sentiment of: {x}",
                   "Tell me if this is positive or negative: {x}", "positive, negative, or neutral? {x}", "which sentiment has this: {x}", "sentiment of this: {x}", "rate the mood: {x}", "{x} What is the sentiment?", "the sentiment of the sentence {x}", "how does this sound, positive or negative: {x}"),
         held_wordings=("Tell me the sentiment of this: {x}", "Positive, negative or neutral: {x}", "Sentiment of the sentence: {x}")),
    Kind(name="picking an e-mail address", weight=15, draw=cases.email, is_whole=True, is_copied=True,
         wordings=EMAIL_WORDINGS,
         held_wordings=("Find the {mail} in the sentence: {x}", "{x} Which {mail} is named here?", "Please extract the {mail}: {x}")),
    Kind(name="repeating words", weight=10, draw=cases.repeat, is_whole=True, is_copied=True,
         wordings=("Repeat: {x}", "repeat after me: {x}", "Say: {x}", "echo {x}", "Repeat this: {x}", "say exactly this: {x}",
                   "please say {x}", "repeat the words {x}", "say it after me: {x}", "copy this: {x}", "write this again: {x}", "say these words: {x}", "repeat these: {x}", "echo this: {x}", "copy these words: {x}", "write: {x}"),
         held_wordings=("Please repeat: {x}", "Repeat these words: {x}")),
    Kind(name="picking a date", weight=6, draw=cases.date, is_whole=True, is_copied=True,
         wordings=("Find the date: {x}", "{x} What is the date?", "Extract the date: {x}", "Which date is in this text? {x}",
                   "What is the date in this sentence? {x}", "{x} Which date is mentioned?", "Give me the date in: {x}",
                   "extract the date from this: {x}",
                   "which date is it in this: {x}", "take the date out of this: {x}", "find a date in the sentence: {x}", "{x} Which date is in it?", "date in this: {x}", "pick the date: {x}", "{x} Find the date.", "the date in this text: {x}"),
         held_wordings=("Find the date in the sentence: {x}", "{x} Which date is named here?", "Please extract the date: {x}")),
)  # fmt: skip
