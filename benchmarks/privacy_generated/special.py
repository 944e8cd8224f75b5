"""Sources of what is told of health, belief, unions and orientation; and of texts that tell it of nobody."""

from collections.abc import Iterator
from random import Random
from typing import Literal

from benchmarks.privacy_generated.value import Draw, Source

SPECIAL: tuple[Literal["HEALTH"], Literal["SPECIAL_CATEGORY"]] = ("HEALTH", "SPECIAL_CATEGORY")
"""Types that are measured apart, since a policy has to ask for them."""
NOBODYS = "health of nobody"

_CONDITIONS = {
    "en": "diabetes|breast cancer|HIV|epilepsy|depression|hepatitis C|multiple sclerosis|bipolar disorder|asthma|schizophrenia",
    "de": "Diabetes|Brustkrebs|HIV|Epilepsie|eine Depression|Hepatitis C|Multiple Sklerose|Asthma",
    "fr": "un diabète|un cancer du sein|le VIH|une épilepsie|une dépression|une hépatite C|une sclérose en plaques",
    "es": "diabetes|cáncer de mama|VIH|epilepsia|depresión|hepatitis C|esclerosis múltiple|asma",
    "it": "diabete|cancro al seno|HIV|epilessia|depressione|epatite C|sclerosi multipla",
    "pt": "diabetes|câncer de mama|HIV|epilepsia|depressão|hepatite C|esclerose múltipla",
    "nl": "diabetes|borstkanker|hiv|epilepsie|een depressie|hepatitis C|multiple sclerose",
    "pl": "cukrzycę|raka piersi|HIV|padaczkę|depresję|stwardnienie rozsiane",
    "sv": "diabetes|bröstcancer|hiv|epilepsi|depression|multipel skleros",
    "tr": "diyabet|meme kanseri|HIV|epilepsi|depresyon|multipl skleroz",
    "ru": "диабет|рак груди|ВИЧ|эпилепсию|депрессию|рассеянный склероз",
}
_BELONGINGS = {
    "en": "Muslim|Jewish|a Catholic|gay|lesbian|transgender|a union member|a member of the Labour Party|an atheist|bisexual",
    "de": "Muslim|Jude|katholisch|schwul|lesbisch|Gewerkschaftsmitglied|Mitglied der SPD|transgender",
    "fr": "musulman|juif|catholique|homosexuel|syndiqué|membre du parti socialiste",
    "es": "musulmán|judío|católico|homosexual|afiliado al sindicato|gay",
    "it": "musulmano|ebreo|cattolico|omosessuale|iscritto al sindacato",
    "pl": "muzułmaninem|katolikiem|gejem|członkiem związku zawodowego",
    "nl": "moslim|joods|katholiek|homoseksueel|lid van de vakbond",
    "pt": "muçulmano|judeu|católico|homossexual|sindicalizado",
}
_OF_NOBODY = (
    "What are the symptoms of {}?", "Write an article about {} for a school magazine.", "The new clinic treats {} free of charge.",
    "How many people worldwide live with {}?", "Explain the difference between {} and a cold.", "The trial on {} ended in 2021.",
)  # fmt: skip


def sources() -> Iterator[Source]:
    """Yield a source for each condition and belonging in each language, and one of texts about nobody."""
    for kind, table in zip(SPECIAL, (_CONDITIONS, _BELONGINGS), strict=True):
        for lang, words in table.items():
            for word in words.split("|"):
                yield Source(
                    name=f"{kind} {lang} {word}", kind=f"{kind.lower()} in {lang}", type=kind, draw=_always(word), lang=lang,
                    also=("PERSON",),
                )  # fmt: skip
    for sentence in _OF_NOBODY:
        yield Source(
            name=f"health of nobody: {sentence}", kind=NOBODYS, type=None, draw=_about(sentence), is_text=True,
            also=("PERSON",),
        )  # fmt: skip


def _always(word: str) -> Draw:
    return lambda random: word


def _about(sentence: str) -> Draw:
    def draw(random: Random) -> str:
        return sentence.format(random.choice(_CONDITIONS["en"].split("|")))

    return draw
