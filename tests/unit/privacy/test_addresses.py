"""Addresses of machines are read as the standard library reads them, for less."""

import ipaddress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.privacy.detectors.network import _is_ip
from tests.support.draws import examples

GROUP = st.text("0123456789abcdefAF", max_size=5)
PARTS = st.one_of(
    st.lists(GROUP, min_size=1, max_size=10).map(":".join),
    st.lists(st.integers(0, 300).map(str), min_size=3, max_size=5).map(".".join),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.tuples(st.lists(GROUP, max_size=7).map(":".join), st.ip_addresses(v=4)).map(
        lambda pair: f"{pair[0]}:{pair[1]}"
    ),
)
BEHIND = st.one_of(
    st.just(""),
    st.integers(0, 140).map(lambda bits: f"/{bits}"),
    st.sampled_from(["/", "%", "%eth0", "%eth0/64", "%%", "/032"]),
)


@settings(max_examples=examples(3000), deadline=None)
@given(PARTS, BEHIND)
@example("1:2:3:4:5:6:7:", ":")
@example("::1:2:3:4:5:6:7:8", "")
@example("01.2.3.4", "")
@example("::ffff:1.2.3.04", "")
@example("1.2.3.4", "%eth0")
def test_an_address_is_what_the_standard_library_takes(address: str, behind: str) -> None:
    """No text is an address here and none there, nor the other way round."""
    written = address + behind
    try:
        ipaddress.ip_interface(written)
        expected = True
    except ValueError:
        expected = False
    assert _is_ip(written) is expected
