"""Values that fill the templates: names, addresses, places and firms of Faker's locales, in many writings."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from faker import Faker
from faker.config import AVAILABLE_LOCALES


def listed(words: str, between: str | None = None) -> list[str]:
    """Return the words of a text, or its parts."""
    return [word.strip() for word in words.split(between)]


VALUES = 250
"""Of a kind and a locale."""
LATIN = listed(
    """
    en_US en_GB en_AU en_CA en_IE en_IN en_NZ en_PH en_NG en_KE en_PK en_TH en_BD de_DE de_AT de_CH
    de_LI de_LU fr_FR fr_CA fr_CH fr_BE fr_DZ es_ES es_MX es_AR es_CO es_CL es_CA it_IT it_CH pt_PT
    pt_BR nl_NL nl_BE pl_PL cs_CZ sk_SK hu_HU ro_RO hr_HR sl_SI da_DK no_NO sv_SE fi_FI is_IS tr_TR
    id_ID vi_VN az_AZ uz_UZ lv_LV lt_LT et_EE ga_IE fil_PH ha_NG ig_NG yo_NG tw_GH zu_ZA
    """
)
OTHER = listed(
    """
    ru_RU uk_UA bg_BG mk_MK el_GR he_IL ar_SA ar_AA ar_DZ ar_PS fa_IR hi_IN mr_IN ne_NP bn_BD gu_IN
    or_IN ta_IN si_LK ja_JP zh_CN zh_TW ko_KR th_TH hy_AM ka_GE
    """
)
NAMED_AT_ONCE = frozenset({"ja_JP", "zh_CN", "zh_TW", "ko_KR"})
"""Locales that write surnames first and no space behind."""
HELD_OUT = listed(
    """
    cs_CZ sk_SK ro_RO da_DK fi_FI et_EE tr_TR az_AZ hu_HU uk_UA ko_KR ka_GE gu_IN ar_DZ ar_PS zu_ZA
    yo_NG vi_VN
    """
)
"""Locales that the measured network does not see; the shipped one does."""


class Pool(NamedTuple):
    """The values of one locale."""

    first: list[str]
    last: list[str]
    street: list[str]
    city: list[str]
    postcode: list[str]
    state: list[str]
    country: list[str]
    full: list[str]
    org: list[str]
    job: list[str]
    whole: list[str]
    """Full names as people of the locale write them, some with titles."""
    whole_share: float = 0.1
    """How often such a name is taken, where words are not put together."""


_METHODS = (
    "first_name", "last_name", "street_address", "city", "postcode", "state", "country", "address", "company",
    "job", "name",
)  # fmt: skip
"""Methods of Faker, in the order of the fields of a pool."""


def pools(locales: list[str], seed: int) -> dict[str, Pool]:
    """Draw the values of some locales."""
    drawn = {}
    for locale in locales:
        if locale not in AVAILABLE_LOCALES:
            continue
        faker = Faker(locale)
        faker.seed_instance(f"{seed} {locale}")
        columns = [_draw(faker, method) for method in _METHODS]
        share = 0.8 if locale in NAMED_AT_ONCE else 0.35 if locale in OTHER else 0.1
        drawn[locale] = Pool._make([*columns, share])
    return drawn


def _draw(faker: Any, method: str) -> list[str]:
    call: Callable[[], str] | None = getattr(faker, method, None) or getattr(
        faker, {"state": "country", "postcode": "building_number"}.get(method, method)
    )
    assert call is not None
    return [str(call()).strip() for _ in range(VALUES)]


_FAMOUS_CITIES = [
    *listed(
    """
    London Paris Berlin Madrid Rome Vienna Warsaw Prague Lisbon Dublin Oslo Stockholm Helsinki
    Copenhagen Athens Moscow Kyiv Istanbul Cairo Lagos Nairobi Mumbai Delhi Tokyo Beijing Shanghai
    Seoul Sydney Melbourne Toronto Vancouver Chicago Boston Seattle Houston Dallas Austin Miami
    Atlanta Denver Phoenix Detroit Philadelphia Leeds Manchester Liverpool Bristol Glasgow Edinburgh
    Birmingham Munich Hamburg Cologne Frankfurt Lyon Marseille Milan Turin Naples Barcelona Valencia
    Seville Zurich Geneva Brussels Amsterdam Rotterdam Singapore Bangkok Jakarta Manila Lima Bogota
    Santiago Caracas Havana Brooklyn Manhattan Queens Texas California Florida Ohio Utah Nevada
    Georgia Virginia Oregon Bavaria Tuscany Scotland Wales Ireland England France Germany Spain
    Italy Poland Portugal Japan China India Brazil Mexico Canada Australia Russia Ukraine Egypt
    Kenya Nigeria Turkey Israel Iran Iraq Sweden Norway Finland Denmark Greece Hungary Austria
    Switzerland Belgium Europe Asia Africa UK USA US NYC LA U.S. EU UAE
    """
    ),
    "New York", "Los Angeles", "San Francisco", "San Diego", "Hong Kong", "Buenos Aires", "Rio de Janeiro",
    "Sao Paulo", "Cape Town", "New Delhi", "Tel Aviv", "Saint Petersburg", "Las Vegas", "Salt Lake City",
    "United States", "United Kingdom", "South Korea", "North Carolina", "New Jersey", "South Africa",
    "Saudi Arabia", "New Zealand", "Costa Rica", "Puerto Rico", "Silicon Valley", "the Netherlands",
]  # fmt: skip
_FIRMS = [
    *listed(
    """
    Google Microsoft Apple Amazon Facebook Meta Netflix Twitter Tesla Intel IBM Oracle Cisco Samsung
    Sony Toyota Honda BMW Siemens Bosch Nokia Ericsson Philips Shell BP Pfizer Bayer Novartis Nestle
    Unilever Walmart Target Costco Starbucks McDonalds Nike Adidas Disney Boeing Airbus UPS FedEx
    DHL HSBC Barclays Citibank Visa PayPal Uber Airbnb Spotify OpenAI NASA FBI CIA NATO UNESCO
    UNICEF WHO BBC CNN Reuters NBA NFL FIFA UEFA Harvard Stanford MIT Yale Oxford Interpol
    Greenpeace Arsenal Chelsea Juventus Lakers Yankees
    """
    ),
    "Bank of America", "Wells Fargo", "General Electric", "Red Cross", "World Bank", "United Nations",
    "European Union", "Goldman Sachs", "Deutsche Bank", "Real Madrid", "New York Times", "Supreme Court",
    "Home Office", "Department of Justice", "Royal Mail", "British Airways", "Boston University",
]  # fmt: skip
_ORG_HEADS = listed(
    """
    Northwind Bluefield Silverline Redstone Oakridge Brightpath Clearwater Ironwood Summit Apex
    Vertex Nova Orion Atlas Zenith Pinnacle Evergreen Lakeside Riverside Harbor Cascade Horizon
    Quantum Stellar Cobalt Granite
    """
)
_ORG_TAILS = listed(
    """
    Inc Inc. Ltd Ltd. LLC Corp Corp. GmbH AG plc Group Partners Solutions Systems Technologies Bank
    Insurance Logistics Consulting Capital Holdings Industries Media Software Labs Foods Energy
    Pharma Hospital Clinic University College School Church Foundation Association Institute Council
    Library Airlines Motors Hotels
    """
)


def city(dice: random.Random, pool: Pool) -> str:
    """Return a place: a city, a state, a country."""
    return dice.choice(
        (pool.city, pool.city, pool.state, pool.country, _FAMOUS_CITIES, _FAMOUS_CITIES)[dice.randrange(6)]
    )


def org(dice: random.Random, pool: Pool) -> str:
    """Return a firm or an institution."""
    kind = dice.random()
    if kind < 0.45:
        return dice.choice(pool.org)
    if kind < 0.65:
        return dice.choice(_FIRMS)
    if kind < 0.85:
        return f"{dice.choice(_ORG_HEADS)} {dice.choice(_ORG_TAILS)}"
    if kind < 0.93:
        return f"{dice.choice(pool.last)} {dice.choice(('&', 'and', '+'))} {dice.choice(pool.last)}"
    return f"{dice.choice(('University', 'Bank', 'City', 'Museum', 'Port'))} of {dice.choice(pool.city)}"


def person(dice: random.Random, pool: Pool) -> str:
    """Return a name: full, first, last, with initials, in reverse."""
    if dice.random() < pool.whole_share:
        return dice.choice(pool.whole)
    first, last = dice.choice(pool.first), dice.choice(pool.last)
    kind = dice.random()
    if kind < 0.5:
        return f"{first} {last}"
    if kind < 0.72:
        return first
    if kind < 0.77:
        return last
    if kind < 0.83:
        return f"{first} {dice.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    if kind < 0.87:
        return f"{first[0]}. {last}"
    if kind < 0.90:
        return f"{first} {dice.choice(pool.first)} {last}"
    if kind < 0.93:
        return f"{first} {last}-{dice.choice(pool.last)}"
    if kind < 0.96:
        return f"{first} {dice.choice(('de', 'van', 'von', 'da', 'del', 'bin', 'al', 'di', 'la'))} {last}"
    return f"{last} {first}" if kind < 0.98 else f"{first} {last[0]}."


_UNITS = (
    "Apt. {}",
    "Apt {}",
    "Suite {}",
    "Unit {}",
    "Flat {}",
    "#{}",
    "Floor {}",
    "Room {}",
    "ap. {}",
    "Whg. {}",
)
_SEPARATORS = (", ", ", ", " ", "\n", ",\n", " , ", ";", "\n ")


def address(dice: random.Random, pool: Pool) -> str:
    """Return an address: a street with its number, or all of it, in one line or several."""
    kind = dice.random()
    if kind < 0.22:
        return dice.choice(pool.full)
    street = " ".join(dice.choice(pool.street).split())
    if kind < 0.4:
        return street
    between = dice.choice(_SEPARATORS)
    parts = [street]
    if dice.random() < 0.35:
        parts.append(dice.choice(_UNITS).format(dice.randrange(1, 999)))
    town, code = dice.choice(pool.city), dice.choice(pool.postcode)
    tail = dice.random()
    if tail < 0.35:
        parts.append(f"{code} {town}")
    elif tail < 0.6:
        parts.append(f"{town} {code}")
    elif tail < 0.75:
        parts += [town, f"{dice.choice(pool.state)} {code}"]
    elif tail < 0.88:
        parts.append(town)
    else:
        parts += [town, dice.choice(pool.country), code]
    if dice.random() < 0.3:
        parts.append(dice.choice(pool.country))
    return between.join(parts)
