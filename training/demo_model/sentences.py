"""Sentences that are put together from a small grammar: moods, and texts that hold an address or a date."""

import random
import string

from training.demo_model import facts
from training.demo_model.rows import words

THINGS = words(
    "film, meal, hotel, book, phone, service, room, concert, trip, soup, coffee, game, show, course, teacher,"
    "waiter, car, weather, beach, food, pizza, support, delivery, product, shop, restaurant, album, lesson,"
    "laptop, camera, story, song, garden, museum, flight, train, staff, sound, picture, price"
)
GOOD = words(
    "good, great, excellent, wonderful, fantastic, lovely, amazing, perfect, delicious, brilliant, superb,"
    "beautiful, friendly, helpful, impressive, delightful, pleasant, outstanding, nice, splendid, awesome"
)
BAD = words(
    "bad, terrible, awful, horrible, boring, disappointing, poor, dreadful, rude, broken, ugly, useless, dirty,"
    "slow, annoying, unpleasant, disgusting, worthless, mediocre, nasty, faulty"
)
VERY = ("", "", "very ", "really ", "so ", "quite ", "absolutely ")
GOOD_ENDS = words(
    "I love it, I would come again, we enjoyed every minute, highly recommended, it made me happy,"
    "best ever, I am very pleased, we had a great time, thank you so much, I like it a lot"
)
BAD_ENDS = words(
    "I hate it, I want my money back, never again, we were disappointed, it made me angry,"
    "worst ever, what a waste of time, do not buy it, I regret it, I do not like it at all"
)
PLAIN = (
    "The {x} is next to the station.", "The {x} opens at nine.", "The {x} is on the table.", "There is a {x} in the street.",
    "I saw the {x} on Monday.", "The {x} has two parts.", "We talked about the {x}.", "The {x} starts at noon.",
    "She sent me the {x} yesterday.", "The {x} was made in 2019.",
)  # fmt: skip


def draw_sentiment(dice: random.Random) -> tuple[str, str]:
    """Return a sentence and its mood: Positive, Negative or Neutral."""
    thing = dice.choice(THINGS)
    if dice.random() < 0.15:
        return dice.choice(PLAIN).format(x=thing), "Neutral"
    is_good = dice.random() < 0.5
    words, ends = (GOOD, GOOD_ENDS) if is_good else (BAD, BAD_ENDS)
    word, end, very = dice.choice(words), dice.choice(ends), dice.choice(VERY)
    other = dice.choice(BAD if is_good else GOOD)
    article = "an" if word[0] in "aeiou" else "a"
    sentence = dice.choice((
        f"The {thing} was {very}{word}.", f"The {thing} is {very}{word}!", f"What {article} {word} {thing}!",
        f"This is {article} {word} {thing}.", f"The {thing} was {very}{word}, {end}.", f"{end[:1].upper()}{end[1:]}, the {thing} was {word}.",
        f"{end[:1].upper()}{end[1:]}.", f"The {thing} was not {other}.", f"The {thing} was not {other}, it was {word}.",
        f"I think the {thing} is {very}{word}.", f"My {thing} was {word} and {dice.choice(words)}.",
        f"I found the {thing} {very}{word}.",
    ))  # fmt: skip
    return sentence, "Positive" if is_good else "Negative"


FIRST_NAMES = words(
    "anna, ben, clara, david, emma, frank, grace, henry, ida, jack, karen, leo, maria, nina, oscar, paul, rosa,"
    "sam, tina, victor, jane, john, peter, lisa, tom, kate, mark, laura, alex, eva, max, julia, omar, yuki, ali"
)
LAST_NAMES = words(
    "smith, jones, brown, miller, wilson, taylor, clark, lewis, walker, hall, young, king, wright, hill, green,"
    "baker, adams, nelson, carter, doe, parker, cook, bell, ward, gray, fox, stone, meyer, rossi, novak, tanaka"
)
HOSTS = words(
    "example, mail, office, company, shop, school, studio, team, news, cloud, store, bank, hotel, lab"
)
ENDINGS = ("com", "org", "net", "de", "io", "co.uk", "fr", "eu", "edu", "info")

MAIL_TEXTS = (
    "Write to {e} about the minutes.", "Please send the report to {e}.", "You can reach me at {e}.", "My address is {e}, thanks.",
    "Contact {n} at {e} before {w}.", "{n} ({e}) will join us on {w}.", "Questions go to {e}.", "The invoice was sent by {e} on {w}.",
    "Hello {n}, please forward this to {e}.", "For support, mail {e} or call us.", "I am {n} and my mail is {e}.", "Ask {e} for a ticket.",
    "The form came from {e} yesterday.", "If you have time on {w}, answer {e}.", "{e} asked for a refund.", "Copy {e} on every message.",
)  # fmt: skip
EMAIL_WORDINGS = (
    "Find the {mail}: {x}", "{x} What is the {mail}?", "Extract the {mail}: {x}", "Which {mail} is in this text? {x}",
    "What is the {mail} in this sentence? {x}", "{x} Which {mail} is mentioned?", "Give me the {mail} in: {x}",
    "extract the {mail} from this: {x}", "{x} Which {mail} is in it?", "find an {mail} in this sentence: {x}",
    "take the {mail} out of this: {x}", "pick the {mail}: {x}", "{x} Find the {mail}.", "the {mail} in this text: {x}",
    "{mail} in this: {x}", "which {mail} stands in this sentence: {x}",
)  # fmt: skip
MAIL_WORDS = ("e-mail address", "email address", "email", "e-mail")


def unknown_word(dice: random.Random, shortest: int = 3, longest: int = 8) -> str:
    """Return a word that nobody knows, with syllables so that it can be said."""
    word = ""
    while len(word) < dice.randint(shortest, longest):
        word += (
            dice.choice("bcdfghjklmnprstvwz")
            + dice.choice("aeiou")
            + dice.choice(("", "", "n", "r", "s", "l"))
        )
    return word


def draw_address(dice: random.Random) -> str:
    """Return an e-mail address, of known names or of letters."""
    known = dice.random() < 0.6
    first = dice.choice(FIRST_NAMES) if known else unknown_word(dice)
    last = dice.choice(LAST_NAMES) if known else unknown_word(dice)
    number = str(dice.randint(1, 99))
    letters = "".join(dice.choices(string.ascii_lowercase, k=dice.randint(1, 3)))
    local = dice.choice((f"{first}.{last}", f"{first}", f"{first}_{last}", f"{first}{number}", f"{letters}.{last}",
                         f"{last}", f"{first}-{last}", f"{letters}{number}", "info", "support", "sales"))  # fmt: skip
    host = dice.choice(HOSTS) if dice.random() < 0.6 else unknown_word(dice)
    return f"{local}@{host}.{dice.choice(ENDINGS)}"


def draw_email(dice: random.Random) -> tuple[str, str]:
    """Return a text and the one address in it."""
    address = draw_address(dice)
    name = dice.choice(FIRST_NAMES).capitalize()
    return dice.choice(MAIL_TEXTS).format(e=address, n=name, w=dice.choice(facts.WEEKDAYS)), address


DATE_TEXTS = (
    "The meeting is on {d}.", "We meet on {d} in {c}.", "The invoice of {d} is open.", "Please pay before {d}.", "{n} was born on {d}.",
    "The train leaves on {d} at noon.", "On {d} we moved to {c}.", "The course starts {d} and is full.", "Your order of {d} has been sent.",
    "He signed the contract on {d}, as agreed.", "The shop opens on {d}.", "I will be in {c} from {d}.", "The report is due {d}, {n}.",
    "{n} comes back on {d}.", "See you on {d}!",
)  # fmt: skip


def draw_date(dice: random.Random) -> tuple[str, str]:
    """Return a text and the one date in it, as it is written there."""
    year, month, day = dice.randint(1950, 2039), dice.randint(1, 12), dice.randint(1, 28)
    name = facts.MONTHS[month - 1]
    date = dice.choice((
        f"{year}-{month:02}-{day:02}", f"{day} {name} {year}", f"{name} {day}, {year}", f"{day:02}/{month:02}/{year}",
        f"{day}.{month}.{year}", f"{day} {name}", f"{name} {day}",
    ))  # fmt: skip
    text = dice.choice(DATE_TEXTS).format(
        d=date, n=dice.choice(FIRST_NAMES).capitalize(), c=dice.choice(facts.COUNTRIES)[1]
    )
    return text, date
