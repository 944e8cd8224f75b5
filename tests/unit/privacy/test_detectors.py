"""What each detector finds and what it leaves, by examples with their reasons.

Numbers are those of standards, documentation and test ranges, or were made with a right check digit.
"""

import pytest

from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())


def found(kind: str, text: str) -> list[str]:
    """Return what of a type is reported in `text`."""
    return [text[f.start : f.end] for f in SCORER.score_text(text).findings if f.type == kind]


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


@pytest.mark.parametrize(("kind", "text", "datum", "why"), FINDS)
def test_finds(kind: str, text: str, datum: str, why: str) -> None:
    """A datum is reported with exactly its own characters."""
    assert found(kind, text)[:1] == [datum], why


def test_every_number_of_a_list_is_found() -> None:
    """Numbers with nothing but a space between them are told apart, however many there are."""
    listed = [f"212-555-{number:04}" for number in range(100, 140)]
    assert found("PHONE", " ".join(listed)) == listed


LEAVES: list[tuple[str, str, str]] = [
    ("CREDIT_CARD", "sort 41 11 11 11 11 11 11 11", "a list of numbers that nothing calls a card"),
    ("US_SSN", "what is 219 - 09 - 9999", "a sum"),
    ("EMAIL", "look at example dot com", "a site"),
    ("EMAIL", "systemctl restart getty@tty1.service", "a unit of systemd"),
    ("EMAIL", "git clone git@git.example.org:org/repo.git", "the address of a repository"),
    ("EMAIL", "logo@2x.png", "a file"),
    ("EMAIL", "@decorator and a @ b", "no address"),
    ("PHONE", "order 12345678901 was shipped", "bare digits that nothing calls a number"),
    ("PHONE", "pi is 3.14159265358979", "a decimal number"),
    ("PHONE", "from 2023-01-15 to 2024-02-16", "dates"),
    ("PHONE", "192.168.100.100", "an IP address"),
    ("PHONE", "ISBN 978-3-16-148410-0", "a book"),
    ("CREDIT_CARD", "4111 1111 1111 1112", "a wrong check digit"),
    ("CREDIT_CARD", "1700000000000", "a time in milliseconds"),
    ("CREDIT_CARD", "a4111111111111111", "a piece of a word"),
    ("CREDIT_CARD", "0000 0000 0000 0000", "nothing but zeros"),
    ("IBAN", "GB82 WEST 1234 5698 7654 33", "wrong check digits"),
    ("IBAN", "XX82 WEST 1234 5698 7654 32", "no such country"),
    ("US_SSN", "666-12-3456", "an area that is never given"),
    ("US_SSN", "219-00-9999", "a group that is never given"),
    ("US_SSN", "219099999", "bare digits without a word"),
    ("US_SSN", "call 219-09-99990", "a longer number"),
    ("NATIONAL_ID", "the count is 44051401359", "bare digits without a word"),
    ("NATIONAL_ID", "PESEL 44051401358", "a wrong check digit"),
    ("NATIONAL_ID", "54362315A", "a wrong check letter"),
    ("NATIONAL_ID", "the passport control took 45 minutes", "no number"),
    ("NATIONAL_ID", "paid 100000 a year", "an amount"),
    ("BANK_ACCOUNT", "021000021", "bare digits without a word"),
    ("BANK_ACCOUNT", "routing number 021000022", "a wrong check digit"),
    ("DOB", "Einstein was born on 14 March 1879", "nobody who lives"),
    ("DOB", "released on 3 May 1990", "another date"),
    ("VEHICLE", "12345678901234567", "digits only"),
    ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "a wrong checksum"),
    ("IP", "version 1.2.3.4", "a version"),
    ("IP", "999.1.1.1", "no address"),
    ("IP", "std::vector and a::b", "names in a program"),
    ("IP", "at 12:30:45", "a time"),
    ("MAC", "ff:ff:ff:ff:ff:ff", "every station"),
]


@pytest.mark.parametrize(("kind", "text", "why"), LEAVES)
def test_leaves(kind: str, text: str, why: str) -> None:
    """What only looks like a datum is not reported."""
    assert found(kind, text) == [], why


def test_a_context_word_reaches_within_its_paragraph_only() -> None:
    """The same digits are a datum beside the word and none beyond a blank line."""
    assert found("US_SSN", "social security number\n219099999") == ["219099999"]
    assert found("US_SSN", "social security number\n\n219099999") == []
    assert found("US_SSN", "219099999\n \t\nsocial security number") == []


# Put together here, so that no scanner takes this file for a leak.
RANDOM = "q8Zr3LmP0vTyWx41" + "Kd7NfB2sHgJc5RtA9eUo"
WEB_TOKEN = "eyJ" + "hbGciOiJI.eyJ" + "zdWIiOiIx.SflKxwRJSMeKKF2Q"
SECRETS: list[tuple[str, str, str]] = [
    ("use AKIA" + "Z7QLM2TXW4BHN6RC", "AKIA" + "Z7QLM2TXW4BHN6RC", "Amazon"),
    ("ghp_" + RANDOM, "ghp_" + RANDOM, "GitHub"),
    ("key sk-" + "proj-" + RANDOM, "sk-" + "proj-" + RANDOM, "OpenAI"),
    ("xoxb-" + "1234567890-" + RANDOM, "xoxb-" + "1234567890-" + RANDOM, "Slack"),
    ("AIza" + RANDOM[:35], "AIza" + RANDOM[:35], "Google"),
    ("sk_live_" + RANDOM, "sk_live_" + RANDOM, "Stripe"),
    (WEB_TOKEN, WEB_TOKEN, "a JSON Web Token"),
    ("postgres://app:s3cr3tpw@db.example.org/x", "s3cr3tpw", "a login in a URL"),
    ("password = 'hunter2!x9'", "hunter2!x9", "a password that is assigned"),
    ("my password is hunter2!x9.", "hunter2!x9", "a password in a sentence"),
    ("setenv('API_KEY', '" + RANDOM + "')", RANDOM, "two arguments"),
    ("export API_KEY=" + RANDOM, RANDOM, "a variable of the shell"),
    ('{"client_secret": "' + RANDOM + '"}', RANDOM, "a field of JSON"),
    ("<authToken>" + RANDOM + "</authToken>", RANDOM, "an element of XML"),
    ("Authorization: Bearer " + RANDOM, RANDOM, "a header"),
    ("curl -u admin:pw9x7 https://h.example", "pw9x7", "a command"),
    ('apiToken: string = "' + RANDOM + '"', RANDOM, "a variable with its type"),
    ('{\\"api_token\\": \\"' + RANDOM + '\\"}', RANDOM, "JSON within a string"),
    ("dropbox_token = 'x7k29qw4m1z8p3v'", "x7k29qw4m1z8p3v", "a short key of a maker who is named"),
    ('trello := "' + RANDOM[:32] + '"', RANDOM[:32], "a maker's name alone"),
    ("token=" + "A" * 10 + RANDOM, "A" * 10 + RANDOM, "a run of one character in a key"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "datum", "why"), SECRETS)
def test_finds_secrets(text: str, datum: str, why: str) -> None:
    """What would let somebody in is a secret, without the name before it."""
    assert found("SECRET", text) == [datum], why


def test_a_private_key_spans_its_armour() -> None:
    """A private key is found from its first line to its last, or as far as it is shown."""
    head, body, tail = (
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        RANDOM * 3,
        "-----END RSA " + "PRIVATE KEY-----",
    )
    whole = f"{head}\n{body}\n{tail}"
    assert found("SECRET", f"key:\n{whole}\nthanks") == [whole]
    assert found("SECRET", f"{head}\n{body}") == [f"{head}\n{body}"]
    assert found("SECRET", f"{head}\n...\n{tail}") == [], "an empty armour, as in documentation"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("password: <your-password>", "a placeholder"),
        ("password: ********", "hidden already"),
        ("the password is required", "a word"),
        ("token = os.environ['TOKEN']", "read from elsewhere"),
        ("api_key = get_key(config)", "a call"),
        ("self.password = config['password']", "taken from a mapping"),
        ("import BearerToken, OAuth2Token", "names of classes"),
        ("max_tokens: 4096", "a number of tokens"),
        ("for token in tokens: print(token)", "a program"),
        ("the secret is kindness", "a sentence"),
        ("passport number: AB1234567", "another thing that begins like it"),
        ("AKIA" + "X" * 16, "a placeholder of the right form"),
        ("https://example.org:8080/x@y", "a port"),
        ("build_token = 'x7k29qw4m1z8p3v'", "as short as the name of a build"),
        ("PublicKeyToken=b77a5c561934e089", "a public key"),
        ('foreign_key: "fk_orders_customer_id_20240105"', "the name of a column"),
        ("credential_source = Ec2InstanceMetadata", "the name of a class"),
        ("Reisepass: C01X00T478", "a passport"),
    ],
)
def test_leaves_what_only_speaks_of_secrets(text: str, why: str) -> None:
    """Placeholders, variables and prose are no secrets."""
    assert found("SECRET", text) == [], why
