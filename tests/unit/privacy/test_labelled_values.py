"""Numbers behind words that name them, in many languages, and numbers that only look like them."""

import pytest

from tests.support.detector_texts import found

NAMED: list[tuple[str, str, str]] = [
    ("NATIONAL_ID", "numer NIP: 060 271 26 84", "060 271 26 84"),
    ("NATIONAL_ID", "My DVLA NO is BAKER711125AB9CD", "BAKER711125AB9CD"),
    ("NATIONAL_ID", "mon NAS: 046 454 287", "046 454 287"),
    ("NATIONAL_ID", "LANR: 723456701", "723456701"),
    ("NATIONAL_ID", "PAYE temp number 83345671", "83345671"),
    ("NATIONAL_ID", "PESEL 44051401358", "44051401358"),
    ("NATIONAL_ID", "Reisepassnummer: C01X00T48", "C01X00T48"),
    ("NATIONAL_ID", "permis de conduire n\u00b0 880975210345", "880975210345"),
    ("NATIONAL_ID", "c\u00e9dula de ciudadan\u00eda 1.037.645.219", "1.037.645.219"),
    ("NATIONAL_ID", "carteira de motorista: 04512398765", "04512398765"),
    ("NATIONAL_ID", "il numero di matricola \u00e8 0612703845", "0612703845"),
    ("NATIONAL_ID", "rijbewijsnummer 5243871906", "5243871906"),
    ("NATIONAL_ID", "\u010d\u00edslo ob\u010dansk\u00e9ho pr\u016fkazu je 209856143", "209856143"),
    ("NATIONAL_ID", "\u00fatlev\u00e9l sz\u00e1ma: BH7203456", "BH7203456"),
    ("NATIONAL_ID", "k\u00f6rkortsnummer: 71 83 42 05", "71 83 42 05"),
    ("NATIONAL_ID", "ehliyet no: 348201", "348201"),
    ("NATIONAL_ID", "s\u1ed1 h\u1ed9 chi\u1ebfu: C7203418", "C7203418"),
    ("NATIONAL_ID", "nomor paspor B 7203418", "B 7203418"),
    ("NATIONAL_ID", "\u043f\u0430\u0441\u043f\u043e\u0440\u0442: 4511 720341", "4511 720341"),
    ("NATIONAL_ID", "\u9a7e\u9a76\u8bc1\u53f7\u7801\uff1a340104199003071237", "340104199003071237"),
    ("NATIONAL_ID", "DNI: l2345678Z", "l2345678Z"),
    ("NATIONAL_ID", "form.set('passport_number', 'X7203418')", "X7203418"),
    ("NATIONAL_ID", "<td>Passport</td><td>X7203418</td>", "X7203418"),
    ("NATIONAL_ID", "Passport\nX7203418", "X7203418"),
    ("BANK_ACCOUNT", "num\u00e9ro de compte 00072034187", "00072034187"),
    ("BANK_ACCOUNT", "hesap no: 7203418765", "7203418765"),
    ("BANK_ACCOUNT", "conto corrente n. 000072034187", "000072034187"),
    ("BANK_ACCOUNT", "BIC: DEUTDEFF500", "DEUTDEFF500"),
    ("BANK_ACCOUNT", "CLABE 032180000118359719", "032180000118359719"),
    ("BANK_ACCOUNT", "paid to 19-2000145399/0800", "19-2000145399/0800"),
    ("VEHICLE", "plaka: 34 ABD 127", "34 ABD 127"),
    ("VEHICLE", "targa: AB127CD", "AB127CD"),
    ("VEHICLE", "numer rejestracyjny WA 72034", "WA 72034"),
    ("VEHICLE", "bi\u1ec3n s\u1ed1 29A-127.45", "29A-127.45"),
    ("VEHICLE", "seen WVWZZZ1JZXW072034 here", "WVWZZZ1JZXW072034"),
    ("VEHICLE", "VIN: WVW-ZZZ1JZ-XW07-2034", "WVW-ZZZ1JZ-XW07-2034"),
    ("IBAN", "to DE89 37O4 0044 O532 0130 00", "DE89 37O4 0044 O532 0130 00"),
]


@pytest.mark.parametrize(("kind", "text", "datum"), NAMED)
def test_a_number_behind_its_name_is_found(kind: str, text: str, datum: str) -> None:
    """Without a check digit, in the groups and with the separators that people write."""
    assert datum in found(kind, text)


@pytest.mark.parametrize(
    "text",
    [
        "passport no. required", "the passport order number: 72034187", "Passport control in 2023-2024",
        "student number 2023-12-01", "driving licence expires 01/02/2030", "Order number 72034187",
        "Rechnungsnummer: 720341876", "ISBN 9783161484100", "tracking no. 850730-1235", "version 12.345.678",
        "the ID card costs 120000 euros", "International Securities Identification Number US0378331005",
        "part no 12345678Z",
    ],
)  # fmt: skip
def test_numbers_of_things_are_nobodys(text: str) -> None:
    """Orders, invoices, parts, dates and amounts are no numbers of people, whatever is near."""
    assert found("NATIONAL_ID", text) == []


def test_every_number_of_a_named_list_is_found() -> None:
    """In code a list of values has one name."""
    text = '{"plates": ["PCD9752", "JNG1629", "TWC612"]}'
    assert found("VEHICLE", text) == ["PCD9752", "JNG1629", "TWC612"]


@pytest.mark.parametrize(
    ("text", "is_there"),
    [("VAT DE123456789", False), ("HRB 123456 company 72034187", False), ("NIP 060 270 26 83", True)],
)
def test_numbers_of_firms_are_public(text: str, is_there: bool) -> None:
    """VAT and register numbers are printed on every bill; a tax number that people have too is theirs."""
    assert bool(found("NATIONAL_ID", text)) is is_there


COINS = [
    "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
    "GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H",
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
]  # fmt: skip


@pytest.mark.parametrize("address", COINS)
def test_an_address_of_a_coin_needs_its_checksum(address: str) -> None:
    """Addresses of the coins' documentation are found, and with two characters exchanged they are not."""
    assert found("CRYPTO", f"send to {address} today") == [address]
    at = len(address) - 4
    wrong = address[:at] + address[at + 1] + address[at] + address[at + 2 :]
    assert wrong == address or found("CRYPTO", f"send to {wrong} today") == []
