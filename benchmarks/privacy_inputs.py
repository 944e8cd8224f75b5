"""Large texts of every kind that a detector may be slow on: what it looks for, and what resembles it."""

SIZE = 100_000

_PIECES = {
    "prose": "The quick brown fox jumps over the lazy dog, and nobody was surprised by that at all. ",
    "digits": "1234567890",
    "spaced digits": "1 ",
    "dotted digits": "1.",
    "dashed digits": "1-",
    "at": "@",
    "question marks": "?",
    "spaces": " ",
    "brackets": "(",
    "capitals": "A",
    "initials": "A. ",
    "capitalised words": "Aa ",
    "names": "John Smith, ",
    "small names": "john smith ",
    "e-mails": "jo@example.org ",
    "phones": "+1 212 555 0187, ",
    "national phones": "212-555-0187 ",
    "IBANs": "GB82 WEST 1234 5698 7654 32\n",
    "cards": "4111 1111 1111 1111 ",
    "SSNs": "219-09-9999 ",
    "national ids": "PESEL 44051401359 ",
    "addresses": "12 Main Street, ",
    "URLs": "https://a.example/x ",
    "passwords": "password=hunter2!x9\n",
    "names of passwords": "password=",
    "armour": "-----BEGIN ",
    "hexadecimal": "0123456789abcdef:",
    "Cyrillic": "\u0418\u0432\u0430\u043d ",
    "invisible": "4\u200b",
    "blank lines": "a\n\n",
}
LARGE = {name: (piece * (SIZE // len(piece) + 1))[:SIZE] for name, piece in _PIECES.items()}
"""A text of 100,000 characters of each kind."""
