"""Dates of birth: dates beside the words that name them, in some twenty languages."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, Match
from gateway.privacy.detectors.records import record_matches

BIRTH_NAMES = (
    r"(?:date|day)[ _]of[ _]birth|birth[ _-]?(?:date|day|dt|ts)|d\.?o\.?b\.?|bday"
    r"|geb(?:urts?)?[ _-]?(?:dat(?:um|e)?|tag)|geb\.(?: am)?|geboortedatum|geboortedag"
    r"|f(?:echa|\.) (?:de )?nac(?:imiento|\.)?|(?:dat[ae]|dt|d)\.? (?:d[eia]\.? )?na(?:s[cz]|iss)[a-z]{0,8}"
    r"|data ur(?:odzenia|\.|\b)|f[o\xf8]dselsdato|f[o\xf8]dselsdag|f[o\xf6]delse(?:datum|dag|tid)"
    r"|syntym[a\xe4](?:aika|p[a\xe4]iv[a\xe4])|synt\. ?aika"
    r"|datum (?:narozen[i\xed]|narodenia|ro[?d]j?enja|rojstva)"
    r"|sz[\xfcu]let[\xe9e]si (?:d[\xe1a]tum|id[?o])|do[?g]um (?:tarihi|g[\xfcu]n[\xfcu])|data na[?s]terii"
    r"|(?:tanggal|tgl\.?|tarikh) lahir|ttl|s[\xfcu]nniaeg|s[\xfcu]nnikuup[\xe4a]ev"
    r"|gimimo data|dzim[?s]anas datums|f[\xe6]\xf0ingardagur|petsa ng kapanganakan|ng[\xe0a]y sinh"
)
"""Names of the datum; a question mark stands for a letter that patterns cannot see."""
_BORN_WORDS = (
    r"born|geboren|n[e\xe9?]e?(?: le)?|nacid[oa](?: el)?|nat[oa] (?:il|a)|nascid[oa]|urodzon(?:y|a|ym|ej|\?)"
    r"|ur\.|f[o\xf8]dt|f\xf6dd|syntynyt|narozen[\xe1ay?]?|naroden[\xe1a\xfdy]|nar\.|sz[\xfcu]letett|sz[\xfcu]l\."
    r"|n[?a]scut[?a]?|ro[?d]en[a?]?|do[?g]umlu|dilahirkan|lahir|geb\."
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_ANY_MONTH = r"[a-z\xc0-\xff?]{3,12}\.?"
"""A month of any language: only directly behind the words that name a date."""
_DAY = r"\d{1,2}(?:st|nd|rd|th|er|\.|\xba)?"
_SEPARATED = (
    r"\d{4} ?[-/.] ?\d{1,2} ?[-/.] ?\d{1,2}|\d{1,2} ?[-/.] ?\d{1,2} ?[-/.] ?(?:\d{4}|\d{2})"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
)
_COMPACT = (
    r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d|\d{1,2} \d{1,2} (?:19|20)\d\d"
    r"|(?:19|20)\d\d \d{2} \d{2}"
)
_END = r"(?:\b|T\d\d:?\d\d|_)"
_WORDED = (
    r"{day}(?: of| de| del| d'|\.)?[ /-]?{month}(?: of| de| del|,)?[ /-]?(?:\d{{4}}|'?\d\d)"
    r"|{month} {day},? \d{{4}}|\d{{4}}[ -]{month}[ -]\d{{1,2}}"
)
_DATE = rf"({_SEPARATED}|{_WORDED.format(day=_DAY, month=_MONTH)}){_END}"
_LABELLED_DATE = rf"({_SEPARATED}|{_COMPACT}|{_WORDED.format(day=_DAY, month=_ANY_MONTH)}){_END}"
_LABELLED = Pattern(
    rf"\b(?:{BIRTH_NAMES})(?: (?:date|utc|time))?(?: ?\([^()\n]{{1,20}}\)| ?/ ?[^\n:/\d]{{3,24}})?"
    r"[\"'*_]{0,3}(?: is| was| ist| war| est| es| \xe9| \xe8| jest| on| am| to)?"
    r"(?:[ \t]*[:=(>_#,;|/-]{0,2}|[.?!:]?\r?\n[ \t>*-]*(?:[a-z]{1,12}: ?)?)[ \t\"'*_]*" + _LABELLED_DATE,
    ignore_case=True,
)
_BORN = Pattern(rf"\b(?:{_BORN_WORDS})(?:\b|[ ,:])[^\n\d]{{0,40}}?{_DATE}", ignore_case=True)
_NAMED_BEHIND = Pattern(
    rf"\b{_DATE}[ \t]?(?:is|was|,|-|\(|ist|est|es)?[ \t]?(?:(?:my|his|her|their|the|mein|ma|mi|sa|su)[ \t])?"
    rf"\(?(?:{BIRTH_NAMES})(?:\b|[?).])",
    ignore_case=True,
)
_LONG_AGO = Pattern(r"\b1[0-8]\d\d\b")
"""Years in which no living person was born."""


class BirthDetector:
    """Finds dates of birth."""

    types = ("DOB",)
    prefilter = (
        r"birth|born|[<M|F]\d{6}|pid\||vcard|gt1\||nk1\||d\.?o\.?b|bday|geb|n[e\xe9?]e?\b|na[ct]|naiss|nas[cz]|data|ur\.|urodz|f[o\xf8\xf6]d|syn|nar[.o]"
        r"|sz[\xfcu]l|scut|ro[?d]|do[?g]um|lahir|ttl|s[\xfcu]nn|gimim|dzim|kapang|sinh|\bf\. |f[\xe6]\xf0"
    )

    def find(self, text: str) -> Iterator[Match]:
        """Yield the dates, without the words that introduce them."""
        yield from record_matches(text, "DOB")
        data = as_data(text)
        for pattern, seen, confidence in (
            (_LABELLED, text, CHECKED),
            (_BORN, data, LIKELY),
            (_NAMED_BEHIND, data, LIKELY),
        ):
            for span in pattern.find(seen):
                start, end = span.groups[0]
                if _LONG_AGO.is_in(text[start:end]):
                    continue
                yield Match(type="DOB", start=start, end=end, confidence=confidence)
