"""Sources of Faker: names, addresses, places, firms, telephones, documents, plates and accounts of each locale."""

import importlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

from faker import Factory
from faker.config import AVAILABLE_LOCALES
from faker.generator import Generator
from faker.providers.ssn import Provider as BaseProvider

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
_DOCUMENTS = {
    "birth_number": "rodné číslo", "rvnr": "Rentenversicherungsnummer|RVNR", "kvnr": "Krankenversichertennummer|KVNR",
    "tin": "ΑΦΜ|TIN", "police_id": "αριθμός ταυτότητας|ΑΔΤ", "aadhaar_id": "Aadhaar|aadhaar number", "pan": "PAN|PAN card",
    "sss": "SSS number", "gsis": "GSIS number", "pagibig": "Pag-IBIG MID", "philhealth": "PhilHealth number", "umid": "UMID",
    "itin": "ITIN", "dni": "DNI", "cuil": "CUIL", "person_rut": "RUT", "nuip": "NUIP|cédula", "natural_person_nit": "NIT",
    "nie": "NIE", "nif": "NIF", "nuss": "número de la seguridad social|NUSS", "curp": "CURP", "elector_code": "clave de elector",
    "cedula": "cédula", "cie": "carta d'identità|CIE", "cpf": "CPF", "rg": "RG", "identity_card_number": "numer dowodu|dowód",
    "pesel": "PESEL", "pwz_doctor": "numer PWZ", "individuals_inn": "ИНН", "snils": "СНИЛС",
    "passport_number": "passport number|passport no|Passport",
}  # fmt: skip
"""Methods of Faker for documents of persons, and how they are labelled."""
_FIRM_NUMBERS = ("siren", "siret", "vat_id", "company_vat", "cnpj", "company_rut", "company_id", "businesses_inn", "regon",
                 "company_cuit", "legal_person_nit", "cif", "gstin", "ein", "company_business_id", "businesses_ogrn",
                 "org_id", "uid")  # fmt: skip
"""Methods of Faker for the numbers of firms, which are neither right nor wrong as NATIONAL_ID."""


@cache
def generator(locale: str) -> Generator:
    """Return Faker's generator of a locale; who draws sets its random numbers."""
    fake = Factory.create(locale)
    if locale == "it_IT":  # Its places come from a set, whose order differs from process to process.
        places: Any = next(one for one in fake.get_providers() if hasattr(one, "cities"))
        places.cities = sorted(places.cities)
    return fake


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
        fake = generator(locale)
        for method, words in _DOCUMENTS.items():
            if _is_own(fake, method, locale):
                yield Source(
                    name=f"faker {locale} {method}", kind="document of a locale, by its name", type="NATIONAL_ID",
                    draw=drawn(locale, method), labels=tuple(words.split("|")), lang=lang_of(locale), is_evident=False,
                )  # fmt: skip
        for method in _FIRM_NUMBERS:
            if _is_own(fake, method, locale):
                yield Source(
                    name=f"faker {locale} {method}", kind="number of a firm", type=None, draw=drawn(locale, method),
                    labels=(method.replace("_", " "), "VAT ID", "company registration number"), is_evident=False,
                    also=("NATIONAL_ID", "BANK_ACCOUNT"),
                )  # fmt: skip


def _source(
    locale: str, method: str, kind: str, title: str, *, is_evident: bool, also: tuple[str, ...]
) -> Source:
    is_ssn = method == "ssn" and locale == "en_US"
    return Source(
        name=f"faker {locale} {method}",
        kind=title,
        type="US_SSN" if is_ssn else kind,
        draw=drawn(locale, method),
        labels=("SSN", "social security number", "Social Security No.")
        if is_ssn
        else labels_of(kind, lang_of(locale)),
        lang=lang_of(locale),
        is_evident=is_evident or is_ssn,
        also=also,
    )


def _has(provider: str, locale: str) -> bool:
    return importlib.util.find_spec(f"faker.providers.{provider}.{locale}") is not None


def _is_own(fake: Generator, method: str, locale: str) -> bool:
    """Whether a method is that of the locale, not what Faker falls back to."""
    return hasattr(fake, method) and type(getattr(fake, method).__self__).__module__.endswith(locale)


def _exists(kind: str, locale: str) -> bool:
    if kind == "NATIONAL_ID" and locale != "en_US":
        provider = importlib.import_module(f"faker.providers.ssn.{locale}").Provider
        return provider.ssn is not BaseProvider.ssn  # Else it is the form of the United States.
    if kind == "IBAN":
        return locale not in _WITHOUT_IBAN
    return kind != "BANK_ACCOUNT" or not locale.endswith("_PH")


def drawn(locale: str, method: str) -> Draw:
    """Return how to draw what a method of Faker makes, in one line."""

    def draw(random: Random) -> str:
        fake = generator(locale)
        fake.random = random
        return " ".join(str(getattr(fake, method)()).replace("\n", ", ").split())

    return draw
