"""What each detector finds and what it leaves, by examples with their reasons.

Numbers are those of standards, documentation and test ranges, or were made with a right check digit.
"""

import pytest

from tests.support.detector_texts import FINDS, found


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
