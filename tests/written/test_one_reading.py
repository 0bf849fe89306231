"""A text means the same wherever it may be written: in dnsdisco.yaml, in a services file, in a flag, and for the worker that uses it."""

from __future__ import annotations

import json

import pytest

from dnsdisco.config import load
from dnsdisco.config.sources import Given
from dnsdisco.providers.static import check_file
from dnsdisco.settings.forms import from_plain, to_plain
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.written import addresses, endpoints, units
from tests.config.known import inspect

DURATIONS = [
    "5", "5s", "5S", " 5s ", "5.5s", "500ms", "500000us", "1w", "1d", "2h", "1h30m", "1h0m0s", "0.5h", "1ms", "0", "0s",  # good
    "", "s", "1x", "1 s", "-1s", "+1s", "1e3s", "1,5s", "1s-", "ten", "٣s", "1s" * 40, "1µs", "1y", "1M", "0x10", "∞", "true", "nan", ".5s", "5.",
]  # fmt: skip
SECONDS = [0, 1, 5, 5.5, 604800, -1, True, [5], {"s": 5}, 10**12]
NUMBERS = [
    "0", "1", "10", "100",  # good
    "020", "00", "0x10", "0o20", "0b1", "1_0", "1e1", "1.0", "1.", ".5", "+1", "-1", "-0", "1:1", "٣", "1" * 400, ".inf", ".nan", "ten", "on",
]  # fmt: skip
ADDRESSES = [
    "10.0.0.1", "192.0.2.255", "::1", "2001:DB8::0001", "127.0.0.1",  # good
    "", "10.0.0", "10.0.0.256", "010.0.0.1", "1.2.3.4.5", "0x7f.1", "2130706433", "::g", "1::2::3", "12345::", "10.0.0.1.", "٣.1.1.1", "[::1",
    "::1]", ":::", "%eth0", "10.0.0.1%eth0", "1:2:3:4:5:6:7:8:9",
]  # fmt: skip
PLACES = [
    "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53", "fe80::1%eth0", "[fe80::1%eth0]:53", "fe80::1%3",
    "tls://192.0.2.1", "TLS://192.0.2.1:8853", "tls://[fe80::1%eth0]", "tls://[fe80::1%25eth0]:853", "https://[fe80::1%25eth0]/q", "[fe80::1%25]:53", " 192.0.2.1 ", "https://192.0.2.1/dns-query", "https://[2001:db8::1]:8443/q",
    "", ":53", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:99999", "192.0.2.1:-1", "[2001:db8::1", "2001:db8::1]:53", "[2001:db8::1]53", "fe80::1%", "fe80::1%a b",
    "fe80::1%e\\h0", "192.0.2.1%eth0", "localhost", "localhost:53", "udp://192.0.2.1", "quic://192.0.2.1", "tls://localhost", "tls://", "https://",
    "http://192.0.2.1/q",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", ())
    return tmp_path


def settings_of(folder, text):
    (folder / "one.yaml").write_text(text)
    inspection = inspect(Given(config="one.yaml", environ={}))
    return inspection.settings, [problem.message for problem in inspection.problems]


def services_faults(folder, text):
    (folder / "services.yaml").write_text(text)
    return [problem.message for problem in check_file("services.yaml") if not problem.is_warning]


def quoted(value):
    """As YAML, and JSON, write it."""
    return json.dumps(value)


def unquoted(messages):
    return [message.replace("'", "") for message in messages]


@pytest.mark.parametrize("written", [*DURATIONS, *SECONDS], ids=repr)
def test_a_duration_has_the_same_verdict_in_both_files(folder, written):
    """`ttl` has the same range in both; the verdict and its reason are those of the one reader."""
    _, said = settings_of(folder, f"ttl: {quoted(written)}\n")
    faults = services_faults(folder, f"web: {{address: 10.0.0.1, ttl: {quoted(written)}}}\n")
    assert unquoted(said) == unquoted(faults)  # a services file keeps numbers as they were written
    assert (said == []) == good(lambda value: units.whole_seconds(value, 0, 3600), written)


@pytest.mark.parametrize("written", NUMBERS)
def test_a_whole_number_has_the_same_verdict_in_both_files(folder, written):
    """YAML 1.1 takes 020 for 16, YAML 1.2 for 20, and some of the others for no number at all: here they are faults, in both files."""
    expected = good(lambda value: units.number_from(value, 0, 100), written) and written != "0"
    _, said = settings_of(folder, f"srv_weight_scale: {written}\n")
    faults = services_faults(folder, f"web: {{address: 10.0.0.1, port: {written}}}\n")
    assert (said == [], faults == []) == (expected, expected)


@pytest.mark.parametrize("written", ["020", "1e3", "1_000", "0x10", "5.", ".5", "+5", "-5", "1.5", "5"])
def test_an_unquoted_duration_has_the_same_verdict_in_both_files(folder, written):
    _, said = settings_of(folder, f"ttl: {written}\n")
    faults = services_faults(folder, f"web: {{address: 10.0.0.1, ttl: {written}}}\n")
    assert (said == []) == (faults == [])


@pytest.mark.parametrize(("written", "seconds"), [("1w", 604800), ("500000us", 0.5), ("1d12h", 129600), ("250ms", 0.25)])
def test_a_unit_that_one_file_knows_the_other_knows(folder, written, seconds):
    settings, _ = settings_of(folder, f"providers: [{{type: env, max_stale: {written}}}]\n")
    assert settings.providers[0]["max_stale"] == seconds
    key = (
        f"records: [{{type: TXT, value: x, ttl: {written}}}]"
        if seconds > 86400
        else f"check: {{tcp: '{{address}}:{{port}}', timeout: {written}}}"
    )
    assert services_faults(folder, f"web: {{address: 10.0.0.1, port: 1, {key}}}\n") == []


def good(read, value):
    try:
        read(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("written", ADDRESSES)
def test_an_address_is_one_everywhere(folder, written):
    """A services file takes host names, too, so a text with letters alone could be good there: none of these is."""
    expected = good(addresses.ip, written)
    assert (settings_of(folder, f"listen: [{quoted(written)}]\n")[0] is not None) == (expected and bool(written))
    assert (settings_of(folder, f"forward: {{upstreams: [{quoted(written)}]}}\n")[0] is not None) == expected
    assert (services_faults(folder, f"web: {{address: {quoted(written)}}}\n") == []) == expected


@pytest.mark.parametrize("written", PLACES)
def test_a_listener_and_an_upstream_are_read_alike_and_the_worker_reads_what_was_checked(folder, written):
    listened, _ = settings_of(folder, f"listen: [{quoted(written)}]\ntls: {{certificate: x.pem}}\n")
    asked, _ = settings_of(folder, f"forward: {{upstreams: [{quoted(written)}]}}\n")
    assert (listened is None) == (asked is None)
    if asked is None:
        return
    (upstream,) = from_plain(ForwardSettings, to_plain(asked)["forward"]).upstreams
    assert str(endpoints.upstream(upstream)) == upstream
    listener = endpoints.listener(listened.listen[0])
    address = endpoints.upstream(upstream)
    assert addresses.split_address(listener.address) == (address.host, address.port)
    assert listener.path == address.path


@pytest.mark.parametrize("written", ["fe80::1%eth0", "[fe80::1%eth0]"])
def test_a_scope_has_no_place_in_service_data(folder, written):
    """No AAAA record can carry one."""
    (fault,) = services_faults(folder, f"web: {{address: '{written}'}}\n")
    assert "without a scope" in fault


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("tls://[fe80::1%25eth0]", "tls://[fe80::1%eth0]:853"),
        ("https://[fe80::1%25eth0]:8443/q", "https://[fe80::1%eth0]:8443/q"),
        ("tls://[fe80::1%25]", "tls://[fe80::1%25]:853"),  # interface 25
        ("[fe80::1%25eth0]:53", "[fe80::1%25eth0]:53"),  # not a URL: an interface of that name
    ],
)
def test_the_scope_of_a_url_is_escaped(written, canonical):
    """RFC 6874 §2. Both spellings are read; what is kept has the one of addresses."""
    assert str(endpoints.upstream(written)) == canonical
