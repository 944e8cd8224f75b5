"""Sources of secrets that people choose or machines draw: passwords and random values, known by what stands beside them."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits, punctuation

from benchmarks.privacy_generated.label_words import labels_of, languages
from benchmarks.privacy_generated.value import Draw, Source

_WORDS = ("summer", "dragon", "monkey", "winter", "falcon", "purple", "coffee", "rocket", "silver", "tiger", "forest",
          "pepper", "castle", "banana", "hammer", "guitar")  # fmt: skip
_MARKS = "!@#$%&*?"
_SAFE = ascii_letters + digits + "!#%*+-_.?@^~"


def sources() -> Iterator[Source]:
    """Yield a source for each way of choosing a password and each language of its label."""
    ways: dict[str, Draw] = {
        "random of 12": lambda random: strong(random, 12),
        "random of 20": lambda random: strong(random, 20),
        "letters and digits of 16": lambda random: "".join(random.choices(ascii_letters + digits, k=16)),
        "word, digits, mark": lambda random: f"{random.choice(_WORDS).title()}{random.randrange(10, 9999)}{random.choice(_MARKS)}",
        "leet": lambda random: random.choice(_WORDS).title().translate(str.maketrans("aeios", "43105")) + random.choice(_MARKS) + str(random.randrange(10, 100)),
        "words with dashes": lambda random: "-".join(random.choices(_WORDS, k=4)) + f"-{random.randrange(100)}",
        "hexadecimal of 32": lambda random: random.randbytes(16).hex(),
    }  # fmt: skip
    for way, draw in ways.items():
        yield Source(
            name=f"password {way}", kind="password", type="SECRET", draw=draw, labels=labels_of("SECRET", "en"), is_evident=False
        )  # fmt: skip
    for lang in sorted(languages() - {"en"}):
        yield Source(
            name=f"password {lang}", kind="password, labelled in other languages", type="SECRET", lang=lang,
            draw=lambda random: strong(random, random.choice((10, 12, 16))), labels=labels_of("SECRET", lang), is_evident=False,
        )  # fmt: skip


def strong(random: Random, length: int) -> str:
    """Return a password with letters in both cases, digits and marks that no form needs to escape."""
    while True:
        text = "".join(random.choices(_SAFE, k=length))
        if (
            any(sign.islower() for sign in text)
            and any(sign.isupper() for sign in text)
            and any(sign.isdigit() for sign in text)
            and any(sign in punctuation for sign in text[1:-1])
            and text[0].isalnum()
            and text[-1].isalnum()
        ):
            return text
