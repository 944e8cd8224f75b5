"""Checks of national numbers that `python-stdnum` does not have."""

from stdnum import luhn, verhoeff
from stdnum.es import dni
from stdnum.in_ import aadhaar, pan
from stdnum.iso7064 import mod_11_10

from gateway.privacy.detector import digits_of


def is_nino(written: str) -> bool:
    """Whether it may be a national insurance number of the United Kingdom (HMRC manual NIM39110)."""
    return written[:2].upper() not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def is_plain_nino(written: str) -> bool:
    """Whether it may be one in prose, where small letters and spaces are words."""
    return is_nino(written) and (written == written.upper() or " " not in written)


def is_nric(written: str) -> bool:
    """Whether it is an identity number of Singapore, by its check letter."""
    prefix, digits, letter = written[0].upper(), written[1:8], written[8].upper()
    total = sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(prefix, 0)
    letters = "JZIHGFEDCBA" if prefix in "ST" else "XWUTRQPNMLK" if prefix in "FG" else "XWUTRQPNJLK"
    return letters[total % 11] == letter


def is_dated(written: str) -> bool:
    """Whether it begins with a date as YYMMDD, like Korean numbers, which have no check digit since 2020."""
    return 1 <= int(written[2:4]) <= 12 and 1 <= int(written[4:6]) <= 31


def is_upper_pan(written: str) -> bool:
    """Whether it is a permanent account number of India, in capitals as it is issued."""
    return written.isupper() and bool(pan.is_valid(written))


def is_itin(written: str) -> bool:
    """Whether the middle digits are those of taxpayer numbers of the United States (IRS, since 2011)."""
    group = int(digits_of(written)[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def is_philippine_tin(written: str) -> bool:
    """Whether the ninth digit checks the eight before it, as in taxpayer numbers of the Philippines."""
    digits = [int(digit) for digit in digits_of(written)]
    total = sum(weight * digit for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2), digits, strict=False))
    return any(digits) and total % 11 == digits[8]


def is_australian_medicare(written: str) -> bool:
    """Whether the ninth digit checks the eight before it, as on Medicare cards of Australia."""
    digits = [int(digit) for digit in digits_of(written)]
    total = sum(weight * digit for weight, digit in zip((1, 3, 7, 9, 1, 3, 7, 9), digits, strict=False))
    return 2 <= digits[0] <= 6 and total % 10 == digits[8]


def is_dea(written: str) -> bool:
    """Whether the last digit checks the others, as in registrations of prescribers in the United States."""
    digits = [int(digit) for digit in written[2:]]
    return (sum(digits[0:5:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def is_npi(written: str) -> bool:
    """Whether it is a number of a health provider in the United States: Luhn, behind its issuer's prefix."""
    return bool(luhn.is_valid("80840" + written))


def is_spanish(written: str) -> bool:
    """Whether the letter checks the digits, which may lack their leading zero."""
    return bool(dni.is_valid(written.replace("-", "").zfill(9)))


def is_aadhaar(written: str) -> bool:
    """Whether it is a number of India's residents, with any separators."""
    return bool(aadhaar.is_valid(digits_of(written)))


def is_mod_11_10(written: str) -> bool:
    """Whether the last digit checks the others by ISO 7064, mod 11, 10."""
    return bool(mod_11_10.is_valid(digits_of(written)))


def is_german_document(written: str) -> bool:
    """Whether the last digit checks the others, as on German identity cards and passports (ICAO 9303)."""
    values = [int(char, 36) for char in written]
    return sum(w * value for w, value in zip((7, 3, 1) * 3, values[:9], strict=True)) % 10 == values[9]


def is_german_pension(written: str) -> bool:
    """Whether the last digit checks the others, as in German social insurance (VKVV, paragraph 4)."""
    compact = "".join(filter(str.isalnum, written)).upper()
    digits = f"{compact[:8]}{ord(compact[8]) - 64:02d}{compact[9:11]}"
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(divmod(w * int(digit), 10)) for w, digit in zip(weights, digits, strict=True))
    return total % 10 == int(compact[11])


def is_german_health(written: str) -> bool:
    """Whether the last digit checks the others, as in German numbers of health insurance."""
    digits = f"{ord(written[0].upper()) - 64:02d}{written[1:9]}"
    total = sum(sum(divmod(w * int(digit), 10)) for w, digit in zip((1, 2) * 5, digits, strict=True))
    return total % 10 == int(written[9])


def is_any(_: str) -> bool:
    """Return True: only the shape is known."""
    return True


def is_snils(written: str) -> bool:
    """Whether the last two digits check the others, as in pension insurance of Russia."""
    digits = digits_of(written)
    total = sum(weight * int(digit) for weight, digit in zip(range(9, 0, -1), digits, strict=False))
    return total % 101 % 100 == int(digits[9:])


def is_hong_kong(written: str) -> bool:
    """Whether the last digit checks the others, as on identity cards of Hong Kong."""
    compact = "".join(filter(str.isalnum, written)).upper().rjust(9)
    values = [36 if char == " " else int(char, 36) for char in compact[:8]]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    return (total + (10 if compact[8] == "A" else int(compact[8]))) % 11 == 0


def is_taiwanese(written: str) -> bool:
    """Whether the last digit checks the others, as on identity cards of Taiwan."""
    area = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(written[0].upper()) + 10
    digits = [int(digit) for digit in written[1:]]
    total = area // 10 + 9 * (area % 10)
    total += sum(weight * digit for weight, digit in zip((8, 7, 6, 5, 4, 3, 2, 1, 1), digits, strict=True))
    return total % 10 == 0


def is_iranian(written: str) -> bool:
    """Whether the last digit checks the others, as in national codes of Iran."""
    *digits, check = [int(digit) for digit in digits_of(written)]
    rest = sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=True)) % 11
    return check == (rest if rest < 2 else 11 - rest)


def is_uruguayan(written: str) -> bool:
    """Whether the last digit checks the others, as on identity cards of Uruguay."""
    *digits, check = [int(digit) for digit in digits_of(written)]
    total = sum(weight * digit for weight, digit in zip((2, 9, 8, 7, 6, 3, 4), digits, strict=True))
    return -total % 10 == check


def is_spanish_insurance(written: str) -> bool:
    """Whether the last two digits check the others, as in social security of Spain."""
    digits = digits_of(written)
    body = digits[:2] + digits[2:10].lstrip("0").rjust(7, "0")
    return int(body) % 97 == int(digits[10:])


def is_hungarian(written: str) -> bool:
    """Whether the last digit checks the others, in personal numbers of Hungary by year of birth."""
    *digits, check = [int(digit) for digit in digits_of(written)]
    total = sum(weight * digit for weight, digit in enumerate(digits, start=1))
    reverse = sum(weight * digit for weight, digit in zip(range(10, 0, -1), digits, strict=True))
    return check in (total % 11, reverse % 11)


def is_hungarian_insurance(written: str) -> bool:
    """Whether the last digit checks the others, as in social insurance of Hungary."""
    *digits, check = [int(digit) for digit in digits_of(written)]
    return sum(weight * digit for weight, digit in zip((3, 7) * 4, digits, strict=True)) % 10 == check


def is_luxembourgish(written: str) -> bool:
    """Whether a digit by Luhn and one by Verhoeff check the others, as in numbers of Luxembourg."""
    return bool(luhn.is_valid(written[:12]) and verhoeff.is_valid(written[:11] + written[12]))


def is_polish_document(written: str) -> bool:
    """Whether the first digit checks the others, as on identity cards of Poland."""
    letters, digits = written[:3].upper(), digits_of(written)
    values = [int(char, 36) for char in letters + digits[1:]]
    total = sum(weight * value for weight, value in zip((7, 3, 1, 7, 3, 1, 7, 3), values, strict=True))
    return total % 10 == int(digits[0])


def is_emirati(written: str) -> bool:
    """Whether the last digit checks the others by Luhn, as on identity cards of the Emirates."""
    return bool(luhn.is_valid(digits_of(written)))


def is_sri_lankan(written: str) -> bool:
    """Whether the day of the year may be one, on identity cards of Sri Lanka, with 500 more for women."""
    return 1 <= int(written[2:5]) % 500 <= 366


def is_quebecois(written: str) -> bool:
    """Whether the digits begin with a date as YYMMDD, with 50 more months for women, as in Quebec."""
    digits = digits_of(written)
    return 1 <= int(digits[2:4]) % 50 <= 12 and 1 <= int(digits[4:6]) <= 31
