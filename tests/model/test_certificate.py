"""The validity of certificates from their octets."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.certificate import explain, Validity, validity
from tests.certificates import make


def pem(der: bytes) -> str:
    return "-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der).decode() + "\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("years", [1, 40], ids=["UTCTime", "GeneralizedTime"])
def test_the_times_are_those_that_another_parser_reads(tmp_path, years):
    made = make(tmp_path, ends=timedelta(days=365 * years))
    text = made.certificate.read_text()
    other = x509.load_pem_x509_certificate(text.encode())
    found = validity("a comment before it\n" + text + text)
    assert (found.begins_at, found.ends_at) == (other.not_valid_before_utc.timestamp(), other.not_valid_after_utc.timestamp())


def test_too_early_too_late_and_soon():
    valid = Validity(1000.0, 2_000_000_000.0)
    valid.check(1000.0)
    valid.check(2_000_000_000.0)
    with pytest.raises(ValueError, match="not valid before 1970-01-01 00:16 UTC"):
        valid.check(999.0)
    with pytest.raises(ValueError, match="has expired on 2033-05-18 03:33 UTC"):
        valid.check(2_000_000_001.0)
    assert valid.warning(1_999_000_000.0) == "it expires on 2033-05-18 03:33 UTC"
    assert valid.warning(1_900_000_000.0) == ""


@pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_has_no_certificate(text):
    with pytest.raises(ValueError, match="there is no certificate in it"):
        validity(text)


@pytest.fixture(scope="module")
def der(tmp_path_factory):
    text = make(tmp_path_factory.mktemp("der")).certificate.read_text()
    return base64.b64decode("".join(text.splitlines()[1:-1]))


def test_cut_anywhere_it_is_an_error_that_says_so(der):
    for size in range(0, 160, 3):  # the times end before that
        with pytest.raises(ValueError, match="cannot be read"):
            validity(pem(der[:size]) if size else pem(b"\x30"))


@given(data=st.data())
def test_whatever_is_in_it_only_valueerror_comes_out(der, data):
    octets = bytearray(der)
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=8)):
        octets[at] = octet
    with suppress(ValueError):
        validity(pem(bytes(octets)))


def test_openssl_s_words_are_explained():
    assert explain("KEY_VALUES_MISMATCH") == "the key is not that of the certificate"
    assert "SOMETHING_NEW" in explain("SOMETHING_NEW")
    assert explain("")
