"""Labels and values of forms that are nobody's."""

import random
import string
from itertools import pairwise

from training.names.values import listed

NOTHING_SAID = listed(
    """
    value data field item text entry column_1 a b x note info content details result
    """
)
SOFTWARE = listed(
    """
    id pid uid node host port cpu gpu api sha hash commit branch tag build version release image pod
    namespace cluster region zone bucket queue topic table column index row line size count limit
    offset page status state type kind mode level priority severity method path url uri ref key
    token secret salt nonce checksum digest timestamp created_at updated_at expires ttl retry
    timeout latency weight height width length depth mass volume lat lon position altitude speed
    price cost total tax vat currency amount quantity balance rate isbn issn doi ean upc sku mpn cas
    isin cusip lei swift bic iban imei imsi iccid vin mac ip cidr dns ssn tin ein nif pesel serial
    model revision batch lot part order invoice ticket issue case flight gate seat room floor unit
    position temperature pressure voltage current power energy frequency resolution codec format
    encoding locale language theme color shape material category section chapter verse volume
    edition kernel firmware driver module package expression callback handler symbol function class
    span trace parent child root leaf integrity signature
    """
)
"""Names of fields in programs, sciences and trades."""
STATUS = listed(
    """
    active ACTIVE pending Pending true false True None null ok OK done Running Ready yes no N/A
    unknown open closed FAILED passed high Medium LOW
    """
)
EXPRESSIONS = (
    "lambda x: x + 1", "await fetch(url)", "n => n * 2", "self.total", "os.path.join(a, b)", "x != None",
    "SELECT 1", "len(items)", "fn(&mut self)", 'print("ok")', "if (a > b) return;", "arr[0].id",
    "Math.max(a, b)", "$HOME/bin",
)  # fmt: skip


def number_of_thing(dice: random.Random) -> str:
    """Return a hash, a version, the number of a part or an order, a measurement, coordinates."""
    digits = "".join(dice.choices("0123456789", k=12))
    letters = "".join(dice.choices(string.ascii_uppercase, k=3))
    hexadecimal = "".join(dice.choices("0123456789abcdef", k=40))
    parts = (hexadecimal[at:end] for at, end in pairwise((0, 8, 12, 16, 20, 32)))
    return dice.choice(
        (
            hexadecimal[: dice.choice((7, 10, 32, 40))],
            "-".join(parts),
            f"{digits[0]}.{digits[1:3]}.{digits[3:5]}",
            f"v{digits[0]}.{digits[1]}",
            f"{letters}-{digits[:5]}",
            f"{letters[:2]} {digits[:4]}",
            f"{letters[0]}{digits[:7]}",
            f"{digits[:2]}-{digits[2:4]}-{digits[4]}",
            f"978-{digits[0]}-{digits[1:5]}-{digits[5:9]}-{digits[9]}",
            f"{digits[:3]}.{digits[3:5]} kg",
            f"{digits[:2]}.{digits[2:6]}, -{digits[6:8]}.{digits[8:]}",
            f"{digits[:4]} x {digits[4:8]}",
            f"#{digits[:5]}",
            f"{digits[:2]} %",
        )
    )
