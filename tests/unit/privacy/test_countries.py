"""Numbers of every country, by the tables of the libraries that know them, and not by examples of ours."""

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType, format_number

from tests.support.detector_texts import found


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_telephone_numbers_of_every_country(region: str) -> None:
    """International ones wherever they stand, national ones behind a word; fixed and mobile."""
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        international = format_number(number, PhoneNumberFormat.INTERNATIONAL)
        national = format_number(number, PhoneNumberFormat.NATIONAL)
        compact = format_number(number, PhoneNumberFormat.E164)
        assert found("PHONE", f"reach me on {international} tomorrow") == [international]
        assert found("PHONE", f"({compact})") == [compact]
        assert found("PHONE", f"ring 00{compact[1:]} from abroad") == [f"00{compact[1:]}"]
        # Shorter ones, and those of New Caledonia, which are written like dates, are not claimed.
        if sum(map(str.isdigit, national)) >= 6 and region != "NC":
            assert found("PHONE", f"my phone number is {national}.") == [national]
