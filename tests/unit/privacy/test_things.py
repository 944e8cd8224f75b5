"""Numbers of things are no telephone numbers, cards or documents, whatever their shape."""

import pytest

from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.classify import CONFIDENT
from gateway.privacy.things import has_ean_digit, is_epoch, is_of_something_else
from tests.support.fakes import FakeClock

NOBODYS = (
    "Bestellnummer: 0171 1234567",
    "numéro de suivi : 06 12 34 56 78",
    "numer zamówienia 212-555-0147",
    "номер заказа: 212-555-0147",
    "注文番号 212-555-0147",
    '{"order_id": "212-555-0147"}',
    "item,numero d'ordine,qty\nwidget,212-555-0147,4\n",
    "Chargennummer\tstatus\n212-555-0147\topen\n",
    "| lote | ok |\n|---|---|\n| 0412 345 678 | yes |\n",
    "注文番号\tstatus\n212-555-0147\topen\n",
    "sku:\n- 212-555-0147\n- 212-555-0148\n",
    "parts 02-53544-47604 and 0961-1599-9719 and 01-0256-803",
    "SIREN 0412 345 678",
    "tracking 6410 9642 6527 9871 8181 55",
    "EAN 4713828630941",
    "4713828630941 widgets",
    "Please call us about the time 1826825100",
    "Agent: Which order number?\nClient: 212-555-0147\n",
    'tin = "0106a90f-0845-4bcc-9214-f6a27277a553"',
    "tin = 7987183172.39",
)
SOMEBODYS = (
    ("phone 0171 1234567", "PHONE"),
    ("order phone: 212-555-0147", "PHONE"),
    ("item,phone,qty\nwidget,212-555-0147,4\n", "PHONE"),
    ("order,phone\n0171 1234567,0171 7654321\n", "PHONE"),
    ("订单的手机号 13812345678", "PHONE"),
    ("Ring the shop: 0171 1234567", "PHONE"),
    ("order +49 171 1234567", "PHONE"),
    ("my card 4222222222222", "CREDIT_CARD"),
    ("assistant: I need your numer karty.\nuser: 5018220894544009\n", "CREDIT_CARD"),
    ("Berater: Wie ist Ihre Steuer-ID?\nKundin: 12 345 678 911\n", "NATIONAL_ID"),
    ("| passport number |\n|---|\n| 785729145 |\n", "NATIONAL_ID"),
    ("veronumero;serial\n426150499033;1VKP6OFVSP\n", "NATIONAL_ID"),
    ('place,identity_code\n"10.5, -8.9",7181814461\n', "NATIONAL_ID"),
    ("order 4111 1111 1111 1111", "CREDIT_CARD"),
    ("item,order\nwidget,4111111111111111\n", "CREDIT_CARD"),
)


def _kinds(text: str) -> set[str]:
    found = PrivacyScorer(PrivacyPolicy(), clock=FakeClock()).score_text(text).findings
    return {one.type for one in found if one.confidence >= CONFIDENT and one.type not in ("PERSON", "ORG")}


@pytest.mark.parametrize("text", NOBODYS)
def test_the_number_of_a_thing_is_no_finding(text: str) -> None:
    """A name before it, in its language and script, or the head of its column, says what it is."""
    assert _kinds(text) == set()


@pytest.mark.parametrize(("text", "kind"), SOMEBODYS)
def test_the_number_of_somebody_stays_a_finding(text: str, kind: str) -> None:
    """A name of a thing elsewhere, or a form that means one kind only, hides nothing."""
    assert kind in _kinds(text)


def test_words_name_a_thing_only_right_before_the_number() -> None:
    """A comma, a further word or a line between them parts them."""
    for before in ("my order, ", "order of Ann ", "order\n", "disorder "):
        assert not is_of_something_else(before, len(before))
    for before in ("order ", "order_id=", '"order no.": "', "<th>order</th><td>", "order is "):
        assert is_of_something_else(before, len(before))


def test_times_and_articles_are_known_by_their_digits() -> None:
    """Seconds from 2001 to 2033 and their fractions; thirteen digits with the check digit of an article."""
    assert all(map(is_epoch, ("1700000000", "1700000000123", "1700000000123456", "1000000000")))
    assert not any(map(is_epoch, ("2700000000", "170000000", "17000000001", "1700000 00")))
    assert has_ean_digit("4006381333931")
    assert not has_ean_digit("4006381333930")
    assert not has_ean_digit("006381333931")
