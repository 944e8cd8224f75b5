"""Words that ask for private data, and the name of the data that a detector knows.

Only words with one meaning: each makes a bare number in any later message count as such data, and a long
conversation contains most short words.
"""

from collections.abc import Mapping

from gateway.privacy.detectors.login_words import LOGIN_WORDS
from gateway.privacy.detectors.value_names import source_of, words_of
from gateway.privacy.things import NUMBER_AFTER

Words = tuple[tuple[str, str], ...]

_KEY = r"\b(?:api|access|auth|secret|bot|deploy|bearer|license|refresh)[ _-]?(?:key|token|code)s?\b|\x1c+"
_NATIONAL: Mapping[str, str] = {
    "passport number": r"passports?|pasaporte|passeport|paszport\w{0,4}",
    "driving licence number": r"driv(?:er|ing|er'?s|ers'?)[ -]?licen[cs]es?|permis de conduire|prawo jazdy",
    "voter id": r"voter[ -]?id",
    "national id": r"national id(?:entity|entification)?|identity (?:card|number)|id card|citizen id",
    "tax id": r"tax(?:payer)?[ -]?(?:id|identification|number)|tin number",
    "nhs number": r"nhs",
    "national insurance number": r"national insurance|nino|ni number",
    "pesel": r"pesel\w{0,4}",
    "nip": r"numer nip|nip-?u?\b.{0,3}\?",
    "regon": r"regon",
    "dowod osobisty": r"dow[o\xf3]d osobisty|dowodu osobistego|numer dowodu",
    "steuer-id": r"steuer-?id\w{0,20}|steuernummer|steuer-?identifikationsnummer",
    "personalausweis": r"personalausweis\w{0,8}",
    "reisepass": r"reisepass\w{0,8}",
    "rentenversicherungsnummer": r"(?:renten|sozial)versicherungs\w{0,8}",
    "codice fiscale": r"codice fiscale",
    "partita iva": r"partita iva",
    "dni": r"dni\b|documento nacional",
    "nif": r"nif\b|contribuinte",
    "bsn": r"bsn|burgerservicenummer",
    "rijksregisternummer": r"rijksregister\w{0,8}|registre national",
    "personnummer": r"personnummer",
    "cpr": r"cpr(?:-?nummer|-?nr)?",
    "hetu": r"henkil[o\xf6]tunnus|hetu",
    "kennitala": r"kennitala",
    "aadhaar": r"a+dhaa?r",
    "pan": r"pan (?:card|number)|permanent account number",
    "nric": r"nric",
    "cpf": r"cpf",
    "cnpj": r"cnpj",
    "curp": r"curp",
    "rfc": r"rfc\b.{0,12}\?",
    "rut": r"r[ou]l [u\xfa]nico|rut\b.{0,12}\?",
    "cedula": r"c[e\xe9]dula",
    "social insurance": r"social insurance",
    "tax file number": r"tax file number|tfn",
    "medicare": r"medicare",
    "npi": r"npi|national provider",
    "medical record": r"medical record (?:number|no)|mrn",
    "member id": r"(?:member|patient|subscriber|insurance|policy|beneficiary)[ _-]?(?:id|number|no)",
    "my number": r"individual number",
    "teudat zehut": r"teudat zehut",
    "sin": r"sin (?:number|no|card)",
    "resident registration": r"resident registration",
    "employer id": r"employer id(?:entification)?",
    "itin": r"itin",
    "egn": r"egn",
    "cnp": r"cnp|cod numeric personal",
    "oib": r"oib",
    "kimlik": r"kimlik|tckn",
    "hkid": r"hkid",
}
_ACCOUNT = (
    r"(?:account|acct)\.?[ _]?(?:numbers?|no|nr|#)|bank(?:ing)? accounts?|kontonummer"
    r"|numer (?:konta|rachunku)"
)

_YOUR = (
    r"(?:your|customer'?s|ihre?n?|deinen?|votre|ton|su|tu|seu|sua|suo|uw|jouw?|din|ditt|tw[o\xf3]j|pani?) "
)
_DOCUMENTS = source_of(words_of("documents", "document"))

QUESTION_PATTERNS: Mapping[str, Words] = {
    "SECRET": ((rf"(?:{LOGIN_WORDS})", "password"), (_KEY, "api_key")),
    "US_SSN": ((r"\b(?:ssns?|soc(?:ial)?s?[ _-]?sec(?:urity)?|social number)\b", "ssn"),),
    "CREDIT_CARD": (
        (r"\b(?:card numbers?|(?:credit|debit|bank) cards?|kreditkarte\w{0,8})\b", "card number"),
    ),
    "PHONE": (
        (
            r"\b(?:(?:tele)?phones?|telefon\w{0,8}|t[e\xe9]l[e\xe9]fon[eo]|(?:mobile|cell|contact|fax) number"
            r"|cellphone|whats ?app|call you|reach you|your number|handynummer|celular|cellulare"
            r"|num[e\xe9]ro (?:de )?portable)\b",
            "phone",
        ),
    ),
    "BANK_ACCOUNT": (
        (rf"\b(?:{_ACCOUNT})", "bank account number"),
        (r"\b(?:routing|aba) (?:number|no|code)|\brouting\b", "routing number"),
        (r"\bsort[ -]?code\b", "sort code"),
    ),
    "DOB": (
        (
            r"\b(?:date[ _]of[ _]birth|birth ?dates?|birthdays?|dob|you born|geburtsdatum|geboren"
            r"|fecha de nacimiento|date de naissance|geboortedatum"
            r"|data (?:urodzenia|di nascita|de nascimento))\b|\bborn ?[?]",
            "date of birth",
        ),
    ),
    "VEHICLE": (
        (r"\b(?:vin|vehicle identification)\b", "vin"),
        (r"\b(?:(?:licen[cs]e|number|registration) plates?|plate number|kennzeichen)\b", "number plate"),
    ),
    "NATIONAL_ID": (
        *((rf"\b(?:{source})", name) for name, source in _NATIONAL.items()),
        (rf"{_YOUR}(?:{_DOCUMENTS})|(?:{_DOCUMENTS})(?:{NUMBER_AFTER}){{0,3}} ?\?", "national id"),
    ),
}
"""For each type, case-insensitive patterns, each with the name that is put before an answer."""
