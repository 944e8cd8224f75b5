"""Texts with private data in them, for tests of detectors."""

from hypothesis import strategies as st

from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.fakes import FakeClock

FINDS: list[tuple[str, str, str, str]] = [
    ("EMAIL", "write to jo.doe+x@mail.example.org.", "jo.doe+x@mail.example.org",
     "the sentence's dot is left out"),
    ("EMAIL", "<josé@exämple.de>", "josé@exämple.de", "letters of Latin-1"),
    ("EMAIL", "почта: иван@пример.рф", "иван@пример.рф", "another script"),
    ("EMAIL", "who? jo@example.org", "jo@example.org", "a question mark is no letter"),
    ("EMAIL", "jo [at] example [dot] org", "jo [at] example [dot] org", "written against harvesters"),
    ("EMAIL", "jo\uff20example\uff0eorg", "jo\uff20example\uff0eorg", "full-width"),
    ("EMAIL", "mailto:jo@example.org", "jo@example.org", "a scheme without slashes"),
    ("PHONE", "+44 20 7946 0958", "+44 20 7946 0958", "international"),
    ("PHONE", "0044 20 7946 0958", "0044 20 7946 0958", "international with zeros"),
    ("PHONE", "+49 (0)30 901820", "+49 (0)30 901820", "a trunk zero in brackets"),
    ("PHONE", "at (212) 555-0187 or so", "(212) 555-0187", "North American"),
    ("PHONE", "212.555.0187 x123", "212.555.0187 x123", "an extension belongs to it"),
    ("PHONE", "at 555-123-4567", "555-123-4567", "the format, though nobody has the number"),
    ("PHONE", "ring me: 555 0100", "555 0100", "a label before a local number"),
    ("PHONE", "Tel.\n030 901820", "030 901820", "a label on the line before"),
    ("PHONE", "my number is 5551234567", "5551234567", "bare digits called a number"),
    ("PHONE", "tel 555\u2013010\u20130100", "555\u2013010\u20130100", "en dashes"),
    ("CREDIT_CARD", "4111 1111 1111 1111", "4111 1111 1111 1111", "groups of four"),
    ("CREDIT_CARD", "4111111111111111", "4111111111111111", "no groups"),
    ("CREDIT_CARD", "3782-822463-10005", "3782-822463-10005", "groups of American Express"),
    ("CREDIT_CARD", "5500 0000 0000 0004 123", "5500 0000 0000 0004", "the code behind it is left out"),
    ("CREDIT_CARD", "card 6759649826438453", "6759649826438453", "Maestro, with a word"),
    ("CREDIT_CARD", "4\u200b111111111111111", "4\u200b111111111111111", "an invisible character inside"),
    ("IBAN", "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32", "groups"),
    ("IBAN", "de89370400440532013000", "de89370400440532013000", "small letters"),
    ("IBAN", "to DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00", "a word behind it"),
    ("US_SSN", "219-09-9999", "219-09-9999", "the format"),
    ("US_SSN", "my social security number: 219099999", "219099999", "bare digits with a word"),
    ("NATIONAL_ID", "PESEL 44051401359", "44051401359", "Poland, with its word"),
    ("NATIONAL_ID", "Steuer-ID 36574261809", "36574261809", "Germany, with its word"),
    ("NATIONAL_ID", "CPF 390.533.447-05", "390.533.447-05", "Brazil, by its format"),
    ("NATIONAL_ID", "54362315K", "54362315K", "Spain, by its check letter"),
    ("NATIONAL_ID", "RCCMNL83S18D969H", "RCCMNL83S18D969H", "Italy, by its check letter"),
    ("NATIONAL_ID", "2 95 10 99 126 111 93", "2 95 10 99 126 111 93", "France, by its key"),
    ("NATIONAL_ID", "85.07.30-033.28", "85.07.30-033.28", "Belgium, by its format"),
    ("NATIONAL_ID", "131052-308T", "131052-308T", "Finland, by its check letter"),
    ("NATIONAL_ID", "S1234567D", "S1234567D", "Singapore, by its check letter"),
    ("NATIONAL_ID", "M1234567K", "M1234567K", "Singapore, the series of 2022"),
    ("NATIONAL_ID", "11010519491231002X", "11010519491231002X", "China, by date and check letter"),
    ("NATIONAL_ID", "NI number AB 12 34 56 C", "AB 12 34 56 C", "United Kingdom"),
    ("NATIONAL_ID", "passport number: AB1234567", "AB1234567", "a passport is named by its label"),
    ("NATIONAL_ID", "driving licence no. D1234567", "D1234567", "a licence is named by its label"),
    ("BANK_ACCOUNT", "routing number 021000021", "021000021", "a right check digit, with its word"),
    ("BANK_ACCOUNT", "bank account number 12345678", "12345678", "named by its label"),
    ("BANK_ACCOUNT", "sort code 12-34-56", "12-34-56", "named by its label"),
    ("DOB", "born on 3 May 1990 in Ulm", "3 May 1990", "a date behind the word"),
    ("DOB", '"date_of_birth": "1990-05-03"', "1990-05-03", "a field"),
    ("VEHICLE", "1HGCM82633A004352", "1HGCM82633A004352", "a right check digit"),
    ("VEHICLE", "VIN WVWZZZ1JZXW000001", "WVWZZZ1JZXW000001", "Europe has no check digit, but a word"),
    ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "a checksum"),
    ("CRYPTO", "0x52908400098527886e0f7030069857d2e4169ee7", "0x52908400098527886e0f7030069857d2e4169ee7",
     "a form"),
    ("IP", "from 192.0.2.44:8080", "192.0.2.44", "the port is left out"),
    ("IP", "192.0.2.0/24", "192.0.2.0/24", "with its mask"),
    ("IP", "[2001:db8::ff00:42:8329]", "2001:db8::ff00:42:8329", "version 6, in brackets"),
    ("IP", "\uff11\uff19\uff12.0.2.44", "\uff11\uff19\uff12.0.2.44", "full-width digits"),
    ("MAC", "02:00:5e:10:00:01", "02:00:5e:10:00:01", "colons"),
    ("MAC", "0200.5e10.0001", "0200.5e10.0001", "dots"),
    ("URL", "(see https://example.org/a?b=c).", "https://example.org/a?b=c",
     "the sentence's marks are left out"),
    ("URL", "https://example.org/a_(b)", "https://example.org/a_(b)", "brackets that it opens belong to it"),
]  # fmt: skip


FINDS += [
    (
        "CREDIT_CARD",
        "4111 - 1111 - 1111 - 1111",
        "4111 - 1111 - 1111 - 1111",
        "dashes with spaces around them",
    ),
    ("CREDIT_CARD", "4111\t1111\t1111\t1111", "4111\t1111\t1111\t1111", "tabs"),
    ("CREDIT_CARD", "card 4111  1111  1111  1111", "4111  1111  1111  1111", "double spaces"),
    ("CREDIT_CARD", "4111_1111_1111_1111", "4111_1111_1111_1111", "underscores"),
    ("CREDIT_CARD", "my card: 41 11 11 11 11 11 11 11", "41 11 11 11 11 11 11 11", "pairs beside a word"),
    ("CREDIT_CARD", "visa 41111111 11111111", "41111111 11111111", "halves beside a word"),
    ("US_SSN", "ssn 219 - 09 - 9999", "219 - 09 - 9999", "spaces around the dashes, beside a word"),
    (
        "EMAIL",
        "mail me: jo.doe at example dot co dot uk",
        "jo.doe at example dot co dot uk",
        "as it is read out",
    ),
    ("PHONE", "212-555-0187 212-555-0188 212-555-0189 212-555-0190", "212-555-0187", "a list of numbers"),
    ("NATIONAL_ID", "my PAN is ABCPE1234F", "ABCPE1234F", "few digits"),
    ("NATIONAL_ID", "65 170839 J 003", "65 170839 J 003", "a German number of social insurance"),
    ("NATIONAL_ID", "Personalausweis: T22000129", "T22000129", "a German identity card"),
    ("NATIONAL_ID", "KRA PIN A012345678Z", "A012345678Z", "what a state calls its number"),
    ("NATIONAL_ID", "member ID: XYZ123456789", "XYZ123456789", "what an insurer calls its number"),
    ("NATIONAL_ID", "carta d'identit\u00e0 CA12345AA", "CA12345AA", "an Italian identity card"),
]


# Pieces of private data and the words around them, cut and joined at random: most of what can go wrong
# is a match or a context word that reaches from one paragraph into the next.
PIECES = st.sampled_from(
    [
        "jo@example.org", "@example.org", "jo", "4111 1111 1111 1111", "4111 1111", "1111 1111", "card",
        "ssn", "219-09-9999", "219099999", "phone", "phone:", "call me", "555 0100", "(212) 555-0187",
        "+44 20 7946 0958", "020 7946 0958", "GB82 WEST 1234", "5698 7654 32", "password =", "password is",
        "hunter2!x9", "api_key:", "q8Zr3LmP0vTy", "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0", "born on", "date of birth:", "3 May 1990",
        "1990-05-03", "passport number", "AB1234567", "tax id", "44051401359", "pesel", "routing number",
        "021000021", "account number", "12345678", "10.1.2.3", "fe80::1", "version",
        "https://u:pw9x@h.example/", "https://h.example/", "1HGCM82633A004352", "vin", "plate number",
        "John", "Smith", "maria", "Mr.", "my name is", "Kowalska", "12 Main Street", "Springfield, IL 62704",
        "address:", "lives at", "Apt. 5", "7 Anything Street", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "9.4.3",
        "AB51 ABC", "plate", "DE136695976", "vat", "nip", "526 000 12 46",
        "<token>", "</token>", "Bearer", "curl -u", "x:y7z8w9", "the", "and", "of", ".", ",", ":", "-", "1",
        "42",
    ]
)  # fmt: skip


GLUE = st.sampled_from([" ", " ", " ", "", "\n", ", ", "\t", "\u200b", "\u00a0", "\r\n"])


@st.composite
def paragraphs(draw: st.DrawFn) -> str:
    """Draw a text of pieces, with or without line ends."""
    pieces = draw(st.lists(st.tuples(PIECES, GLUE), max_size=14))
    return "".join(piece + glue for piece, glue in pieces)


TEXTS = st.one_of(paragraphs(), st.text(max_size=40))


SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
"""Every detector, as a policy without a section `privacy` has them."""


def found(kind: str, text: str) -> list[str]:
    """Return what of a type is reported in `text`."""
    return [text[f.start : f.end] for f in SCORER.score_text(text).findings if f.type == kind]
