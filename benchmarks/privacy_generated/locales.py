"""Sources of Faker: names, addresses, places, firms, telephones, documents, plates and accounts of each locale."""

import importlib.util
from collections.abc import Iterator
from functools import cache
from random import Random

from faker import Factory
from faker.config import AVAILABLE_LOCALES
from faker.generator import Generator

from benchmarks.privacy_generated.label_words import labels_of, languages
from benchmarks.privacy_generated.value import Draw, Source

_LANGUAGES = {"dk": "da", "lb": "de", "fil": "en", "tl": "en"}
"""Where the code of Faker is none of the table of labels, and another language is written there too."""

_RENAMED = frozenset({"fr_QC"})
"""Old names of other locales."""
_VALUES = (
    # provider, method, type, kind, whether a reader knows the value without a label, types left open
    ("person", "name", "PERSON", "name", True, ()),
    ("address", "address", "ADDRESS", "address", True, ("LOCATION", "ZIP")),
    ("address", "street_address", "ADDRESS", "street", True, ("LOCATION", "ZIP")),
    ("address", "city", "LOCATION", "place", True, ("ADDRESS",)),
    ("company", "company", "ORG", "firm", True, ("LOCATION",)),
    ("phone_number", "phone_number", "PHONE", "phone of a locale", False, ()),
    ("ssn", "ssn", "NATIONAL_ID", "document of a locale", False, ()),
    ("automotive", "license_plate", "VEHICLE", "plate", False, ()),
    ("bank", "iban", "IBAN", "IBAN", True, ()),
    ("bank", "bban", "BANK_ACCOUNT", "account of a locale", False, ()),
)
_WITHOUT_IBAN = frozenset({"en_IN", "en_PH", "fil_PH", "tl_PH", "th_TH", "zh_CN", "bn_BD", "ru_RU", "es_MX", "es_AR",
                           "es_CO"})  # fmt: skip
"""Countries that issue no IBAN, whatever Faker makes up; the accounts of the Philippines are made up too."""
_FIRM_NUMBERS = (
    "siren",
    "siret",
    "vat_id",
    "company_vat",
    "cnpj",
    "company_rut",
    "company_id",
    "businesses_inn",
    "nif",
)
"""Methods of Faker for the numbers of firms, which are neither right nor wrong as NATIONAL_ID."""


@cache
def generator(locale: str) -> Generator:
    """Return Faker's generator of a locale; who draws sets its random numbers."""
    return Factory.create(locale)


def lang_of(locale: str) -> str:
    """Return the language of a locale's labels."""
    code = locale.split("_")[0]
    code = _LANGUAGES.get(code, code)
    return code if code in languages() else "en"


def sources() -> Iterator[Source]:
    """Yield a source for each kind of value and each locale that has a provider of its own for it."""
    for locale in sorted(name for name in AVAILABLE_LOCALES if "_" in name and name not in _RENAMED):
        for provider, method, kind, title, is_evident, also in _VALUES:
            if _has(provider, locale) and hasattr(generator(locale), method) and _exists(kind, locale):
                yield _source(locale, method, kind, title, is_evident=is_evident, also=also)
        for method in _FIRM_NUMBERS:
            if hasattr(generator(locale), method) and (_has("company", locale) or _has("ssn", locale)):
                yield Source(
                    name=f"faker {locale} {method}",
                    kind="number of a firm",
                    type=None,
                    draw=_draw(locale, method),
                    labels=(method.replace("_", " "), "VAT ID", "company registration number"),
                    also=("NATIONAL_ID",),
                    is_evident=False,
                )


def _source(
    locale: str, method: str, kind: str, title: str, *, is_evident: bool, also: tuple[str, ...]
) -> Source:
    is_ssn = method == "ssn" and locale == "en_US"
    return Source(
        name=f"faker {locale} {method}",
        kind=title,
        type="US_SSN" if is_ssn else kind,
        draw=_draw(locale, method),
        labels=("SSN", "social security number", "Social Security No.")
        if is_ssn
        else labels_of(kind, lang_of(locale)),
        lang=lang_of(locale),
        is_evident=is_evident or is_ssn,
        also=also,
    )


def _has(provider: str, locale: str) -> bool:
    return importlib.util.find_spec(f"faker.providers.{provider}.{locale}") is not None


def _exists(kind: str, locale: str) -> bool:
    if kind == "IBAN":
        return locale not in _WITHOUT_IBAN
    return kind != "BANK_ACCOUNT" or not locale.endswith("_PH")


def _draw(locale: str, method: str) -> Draw:
    def draw(random: Random) -> str:
        fake = generator(locale)
        fake.random = random
        return str(getattr(fake, method)())

    return draw
