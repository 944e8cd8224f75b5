"""Sources of values that are nobody's: what looks like private data and is written in the same forms."""

import hashlib
from collections.abc import Iterator
from random import Random
from string import ascii_uppercase, digits, hexdigits
from uuid import UUID

from stdnum import luhn

from benchmarks.privacy_generated.value import Draw, Source


def _digits(random: Random, count: int) -> str:
    return str(random.randrange(1, 10)) + "".join(random.choices(digits, k=count - 1))


def _number(*sizes: int) -> Draw:
    return lambda random: _digits(random, random.choice(sizes))


def _of(*listed: str) -> Draw:
    return lambda random: random.choice(listed)


def _hex(*sizes: int) -> Draw:
    return lambda random: "".join(random.choices(hexdigits[:16], k=random.choice(sizes)))


def _isbn(random: Random) -> str:
    head = "978" + random.choice(("0", "3", "83", "1"))
    head += _digits(random, 12 - len(head))
    check = -sum(int(sign) * (3 if at % 2 else 1) for at, sign in enumerate(head)) % 10
    return (
        f"{head}{check}"
        if random.random() < 0.5
        else f"{head[:3]}-{head[3:4]}-{head[4:8]}-{head[8:]}-{check}"
    )


def _stamp(random: Random) -> str:
    day = f"{random.randrange(2015, 2027)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    time = f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}"
    return random.choice(
        (f"{day}T{time}Z", f"{day} {time}", f"{day}T{time}.{random.randrange(1000):03}+02:00")
    )


def _version(random: Random) -> str:
    parts = [str(random.randrange(30)) for _ in range(3)]
    return (
        random.choice(("v", "")) + ".".join(parts) + random.choice(("", "", "-rc1", "-beta.2", "+build.77"))
    )


def _coordinates(random: Random) -> str:
    return f"{random.uniform(-80, 80):.{random.choice((4, 5, 6))}f}, {random.uniform(-179, 179):.5f}"


def _measure(random: Random) -> str:
    return f"{random.uniform(0.1, 5000):.{random.choice((0, 1, 2, 3))}f} {random.choice(('mm', 'kg', 'ms', 'MB', '°C', 'kWh', 'km/h', 'dB'))}"


def _amount(random: Random) -> str:
    number = f"{random.uniform(1, 90000):,.2f}"
    return random.choice(
        (f"${number}", f"€ {number}", f"{number} USD", number.replace(",", " ") + " zł", number)
    )


def _part(random: Random) -> str:
    letters = "".join(random.choices(ascii_uppercase, k=random.choice((2, 3, 4))))
    return f"{letters}-{_digits(random, random.choice((4, 5, 6)))}{random.choice(('', '-A', '/2', '-REV3'))}"


def _checksum(random: Random) -> str:
    return "sha256:" + hashlib.sha256(random.randbytes(8)).hexdigest()


def _score(random: Random) -> str:
    return random.choice((
        f"{random.randrange(6)}-{random.randrange(6)}", f"{random.randrange(70, 130)}:{random.randrange(70, 130)}",
        f"6-{random.randrange(5)}, 7-{random.randrange(5, 7)}", f"{random.randrange(9, 13)}.{random.randrange(100):02} s",
    ))  # fmt: skip


def _invoice(random: Random) -> str:
    return random.choice((f"INV-{random.randrange(2015, 2027)}-{random.randrange(1, 99999):05}", f"RE{_digits(random, 8)}",
                          f"FV/{random.randrange(1, 999)}/{random.randrange(1, 13):02}/{random.randrange(2015, 2027)}"))  # fmt: skip


def _no_card(random: Random) -> str:
    while luhn.is_valid(number := "4" + _digits(random, 15)):
        pass
    return number


def _no_phone(random: Random) -> str:
    """Return groups like those of a number of North America, whose area code there cannot be."""
    return f"{random.randrange(100, 200)}-{random.randrange(100, 200)}-{random.randrange(1000, 9999)}"


def _no_ssn(random: Random) -> str:
    """Return groups like those of a social security number, of an area or group that is never issued."""
    return (
        random.choice(
            (
                f"{random.choice(('000', '666'))}-{random.randrange(10, 99)}",
                f"{random.randrange(100, 665)}-00",
            )
        )
        + f"-{random.randrange(1000, 9999)}"
    )


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


_SOURCES: tuple[tuple[str, str, Draw, tuple[str, ...]], ...] = (
    # name, kind, how it is drawn, labels
    ("order numbers of 7 and 8", "number", _number(7, 8), ("order number", "Order no.", "order_id", "Bestellnummer")),
    ("order numbers of 9 to 11", "number", _number(9, 10, 11), ("order number", "order", "purchase order", "commande")),
    ("ticket numbers", "number", _number(5, 6, 7), ("ticket", "case number", "Ticket #", "incident")),
    ("tracking numbers", "number", _number(12, 14, 20, 22), ("tracking number", "parcel", "shipment", "Sendungsnummer")),
    ("row numbers", "number", _number(8, 9, 10, 12), ("id", "row", "record_id", "primary key")),
    ("customer counts", "number", _number(4, 5, 6, 7), ("visitors", "count", "views", "downloads")),
    ("epoch seconds", "timestamp", lambda r: str(r.randrange(1_400_000_000, 1_790_000_000)), ("timestamp", "created", "ts", "mtime")),
    ("epoch milliseconds", "timestamp", lambda r: str(r.randrange(1_400_000_000_000, 1_790_000_000_000)), ("timestamp_ms", "updated", "t")),
    ("stamps", "timestamp", _stamp, ("time", "created_at", "last seen", "Zeitpunkt")),
    ("days", "timestamp", lambda r: _stamp(r)[:10], ("date", "due date", "invoice date", "shipped on", "Rechnungsdatum")),
    ("days in Europe", "timestamp", lambda r: f"{r.randrange(1, 29):02}.{r.randrange(1, 13):02}.{r.randrange(2015, 2027)}", ("Datum", "delivery date", "data wystawienia", "date de facture")),
    ("UUIDs", "UUID", _uuid, ("request id", "uuid", "trace id", "Idempotency-Key")),
    ("Idempotency keys", "UUID", _uuid, ("Idempotency-Key", "idempotency_key", "dedupe key")),
    ("UUIDs of time", "UUID", lambda r: f"{_uuid(r)[:14]}1{_uuid(r)[15:]}", ("message id", "span", "node", "batch")),
    ("digits of UUIDs", "UUID", lambda r: _uuid(r).replace("-", ""), ("trace", "request", "run id")),
    ("prices", "amount", lambda r: f"{r.uniform(0, 999):.2f}", ("price", "Preis", "prix", "cena", "unit price")),
    ("totals with codes", "amount", lambda r: f"{r.choice(('EUR', 'USD', 'JPY'))} {r.uniform(10, 10**6):,.2f}", ("amount", "balance", "total due")),
    ("builds", "version", lambda r: f"{r.randrange(10, 30)}.{r.randrange(1, 13):02}.{r.randrange(100, 99999)}", ("build", "OS version", "kernel")),
    ("documents of firms", "document of a firm", lambda r: f"{r.choice(('PO', 'SO', 'DN', 'QT'))}{r.randrange(10**6, 10**8)}", ("purchase order", "delivery note", "quote")),
    ("contracts", "document of a firm", lambda r: f"{r.randrange(2015, 2027)}/{r.randrange(1, 9999):04}", ("contract", "Vertrag", "dossier", "sprawa")),
    ("UUIDs in capitals", "UUID", lambda r: _uuid(r).upper(), ("GUID", "object id", "session", "correlation id")),
    ("commits", "hash", _hex(40), ("commit", "revision", "sha", "git hash")),
    ("short commits", "hash", _hex(7, 8, 10), ("commit", "build", "rev")),
    ("MD5 sums", "hash", _hex(32), ("md5", "etag", "checksum", "fingerprint")),
    ("SHA-256 sums", "hash", _hex(64), ("sha256", "digest", "integrity")),
    ("image digests", "hash", _checksum, ("image", "digest", "layer")),
    ("versions", "version", _version, ("version", "release", "tag", "Version")),
    ("versions of drivers", "version", lambda r: f"{r.randrange(100, 600)}.{r.randrange(10, 200)}.{r.randrange(1, 30):02}", ("driver", "firmware", "build")),
    ("ISBNs", "ISBN", _isbn, ("ISBN", "book", "isbn13")),
    ("coordinates", "coordinates", _coordinates, ("position", "lat, lon", "GPS", "coordinates")),
    ("measurements", "measurement", _measure, ("length", "weight", "latency", "size", "Messwert")),
    ("decimals", "measurement", lambda r: f"{r.uniform(0, 1):.{r.choice((6, 9, 12, 16))}f}", ("loss", "accuracy", "ratio", "p-value")),
    ("totals", "amount", _amount, ("total", "amount due", "Summe", "subtotal", "price")),
    ("budgets", "amount", lambda r: f"{r.randrange(1, 999)},{r.randrange(1000):03},{r.randrange(1000):03}", ("budget", "population", "revenue", "rows")),
    ("invoices", "document of a firm", _invoice, ("invoice", "Invoice no.", "Rechnung", "faktura nr")),
    ("part numbers", "part number", _part, ("part number", "SKU", "Artikelnummer", "model", "P/N")),
    ("serial numbers", "part number", lambda r: "".join(r.choices(ascii_uppercase + digits, k=r.choice((10, 11, 12)))), ("serial number", "S/N", "device serial", "Seriennummer")),
    ("ticket keys", "ticket", lambda r: f"{r.choice(('OPS', 'WEB', 'CORE', 'JIRA', 'DATA'))}-{r.randrange(10, 99999)}", ("ticket", "issue", "story", "epic")),
    ("pull requests", "ticket", lambda r: f"#{r.randrange(10, 99999)}", ("pull request", "issue", "PR")),
    ("results", "sports result", _score, ("result", "final score", "Ergebnis", "time")),
    ("percentages", "measurement", lambda r: f"{r.uniform(0, 100):.{r.choice((0, 1, 2))}f} %", ("share", "growth", "CPU", "Anteil")),
    ("colours", "hash", lambda r: f"#{r.randrange(1 << 24):06x}", ("colour", "background", "fill")),
    ("chemicals", "number of a thing", lambda r: f"{r.randrange(50, 9999)}-{r.randrange(10, 99)}-{r.randrange(10)}", ("CAS", "substance")),
    ("flights", "product", lambda r: f"{r.choice(('LH', 'BA', 'AF', 'UA', 'LO'))} {r.randrange(100, 9999)}", ("flight", "Flug", "vol")),
    ("products", "product", _of("Galaxy S24 Ultra", "ThinkPad X1 Carbon", "iPhone 15 Pro", "RTX 4090", "Boeing 737-800", "Python 3.12.4", "Windows 11 Pro", "Canon EOS R6", "USB 3.2 Gen 2", "Core i7-14700K"), ("product", "device", "item", "Artikel")),
    ("states", "product", _of("pending", "in progress", "shipped", "not applicable", "enabled", "default", "unknown", "see attachment"), ("status", "state", "result", "mode")),
    ("functions", "code", _of("get_user_by_id", "parseInt(value, 10)", "os.path.join(base, name)", "new Map<String, Integer>()", "await fetch_all(rows)", "lambda x: x + 1"), ("function", "call", "symbol", "expression")),
    ("paths", "code", lambda r: f"src/{r.choice(('core', 'api', 'web'))}/{r.choice(('index', 'main', 'handler'))}.{r.choice(('ts', 'py', 'go'))}:{r.randrange(1, 999)}", ("file", "location", "path", "at")),
    ("placeholders", "placeholder of a secret", _of("${DB_PASSWORD}", "<your-api-key>", "changeme", "os.environ['TOKEN']", "********", "{{ vault_password }}", "$(cat /run/secrets/db)", "process.env.API_KEY"), ("password", "api_key", "token", "secret")),
    ("room numbers", "number", lambda r: f"{r.randrange(1, 9)}.{r.randrange(100):02}", ("room", "section", "chapter", "page")),
    ("ports", "number", lambda r: str(r.randrange(1024, 65535)), ("port", "PID", "thread", "line")),
    ("ratios", "measurement", lambda r: f"{r.randrange(100, 4000)}x{r.randrange(100, 3000)}", ("resolution", "size", "dimensions")),
    ("phone-like ids", "number", _no_phone, ("batch", "lot number", "catalogue number", "part")),
    ("SSN-like ids", "number", _no_ssn, ("drawing number", "spec", "catalogue number", "lot")),
    ("card-like ids", "number", _no_card, ("batch id", "transaction", "sequence", "snowflake id")),
)  # fmt: skip


def sources() -> Iterator[Source]:
    """Yield every source of values that are nobody's."""
    for name, kind, draw, labels in _SOURCES:
        yield Source(name=f"benign {name}", kind=f"benign {kind}", type=None, draw=draw, labels=labels)
