"""What a check may ask, and of whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.probe_target import is_refused, probe, template
from dnsdisco.model.service import Check, Instance, Port
from dnsdisco.model.service_data import service_from_data


def asked(check: str, address: str = "10.0.0.1", *ports: int) -> tuple[str, str, int, str]:
    made = Check(tcp=check[6:]) if check.startswith("tcp://") else Check(http=check)
    result = probe(made, Instance("a", address, tuple(Port(number) for number in ports or (8080,))))
    return result.scheme, result.address, result.port, result.path


@pytest.mark.parametrize(
    ("check", "address", "ports", "expected"),
    [
        ("http://{address}:{port}/health", "10.0.0.1", (8080,), ("http", "10.0.0.1", 8080, "/health")),
        ("http://{address}:{port}/health", "2001:db8::1", (8080,), ("http", "2001:db8::1", 8080, "/health")),
        ("http://[{address}]:{port}", "2001:db8::1", (8080,), ("http", "2001:db8::1", 8080, "/")),
        ("http://{address}:{port}?x={port}&a={address}", "db.local", (1, 2), ("http", "db.local", 1, "/?x=1&a=db.local")),
        ("HTTPS://{address}/x", "10.0.0.1", (443,), ("https", "10.0.0.1", 443, "/x")),
        ("http://{address}", "10.0.0.1", (8080, 80), ("http", "10.0.0.1", 80, "/")),
        ("http://{address}:9090/", "10.0.0.1", (8080, 9090), ("http", "10.0.0.1", 9090, "/")),
        ("http://10.0.0.1:8080/", "10.0.0.1", (8080,), ("http", "10.0.0.1", 8080, "/")),
        ("http://LOCALHOST.:8080/", "localhost", (8080,), ("http", "localhost", 8080, "/")),
        ("http://[2001:DB8::1]:8080/", "2001:db8::1", (8080,), ("http", "2001:db8::1", 8080, "/")),
        ("tcp://{address}:{port}", "10.0.0.1", (8080,), ("tcp", "10.0.0.1", 8080, "")),
        ("tcp://[{address}]:{port}", "::1", (8080,), ("tcp", "::1", 8080, "")),
        ("tcp://10.0.0.1:8080", "10.0.0.1", (8080,), ("tcp", "10.0.0.1", 8080, "")),
    ],
)
def test_the_instance_is_asked(check, address, ports, expected):
    assert asked(check, address, *ports) == expected


@pytest.mark.parametrize(
    ("check", "address", "reason"),
    [
        ("http://10.0.0.2:8080/", "10.0.0.1", "may ask the instance alone"),
        ("http://169.254.169.254:8080/latest", "10.0.0.1", "may ask the instance alone"),
        ("http://{address}:22/", "10.0.0.1", "a port of the instance alone"),
        ("http://{address}/", "10.0.0.1", "a port of the instance alone"),
        ("http://{address}:{port}/latest/meta-data", "169.254.169.254", "never asked"),
        ("tcp://{address}:{port}", "fe80::1", "never asked"),
        ("tcp://{address}:{port}", "fd00:ec2::254", "never asked"),
        ("tcp://localhost:8080", "10.0.0.1", "may ask the instance alone"),
    ],
)
def test_nobody_else_is_asked_and_the_reason_says_so(check, address, reason):
    with pytest.raises(ValueError, match=reason):
        asked(check, address)


@pytest.mark.parametrize(
    ("http", "tcp"),
    [
        ("file:///etc/passwd", ""),
        ("gopher://{address}:{port}/", ""),
        ("http:///x", ""),
        ("http://", ""),
        ("http://{address}:{port}@evil.example/", ""),
        ("http://evil.example#@{address}:{port}/", ""),
        ("http://user:secret@{address}:{port}/", ""),
        ("http://{address}:{port}\\@evil.example/", ""),
        ("http://{address}.evil.example/", ""),
        ("http://evil.{address}/", ""),
        ("http://{address}:{port}{port}/", ""),
        ("http://{address}:0/", ""),
        ("http://{address}:65536/", ""),
        ("http://{host}:{port}/", ""),
        ("http://{address}:{port}/{meta}", ""),
        ("http://{address}:{port}/a b", ""),
        ("http://{address}:{port}/\r\nHost: evil", ""),
        ("http://{address}:{port}/é", ""),
        ("http://0x7f.1:80/", ""),
        ("http://[fe80::1%25eth0]:80/", ""),
        ("http://{address}:{port}/" + "x" * 3000, ""),
        ("", "{address}"),
        ("", "x"),
        ("", "{address}:{port}/x"),
        ("", "a@{address}:{port}"),
    ],
)
def test_what_no_instance_can_be_asked_by_is_refused(http, tcp):
    with pytest.raises(ValueError, match="expected") as refused:
        template(http, tcp)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=40), st.text(alphabet="{}adressport:@/[].0123456789#?\\ \r\n", max_size=30))
def test_no_text_is_anything_but_a_template_or_a_refusal(one, two):
    for text in (one, f"http://{one}", f"http://{two}", two):
        try:
            made = template(text, "")
        except ValueError:
            continue
        assert made.path.startswith("/")
        assert set("\r\n @").isdisjoint(made.host)
        assert made.path.isprintable()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("fe80::1%eth0", True),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("0.0.0.0", True),
        ("::", True),
        ("239.1.2.3", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2001:db8::1", False),
        ("metadata.google.internal", False),
    ],
)
def test_addresses_that_are_never_asked(address, expected):
    assert is_refused(address) is expected


def test_the_data_tell_which_instances_are_not_checked_and_keep_them():
    data = {
        "instances": [
            {"id": "a", "address": "10.0.0.1", "port": 80},
            {"id": "b", "address": "10.0.0.2"},
            {"id": "c", "address": "169.254.1.1", "port": 80, "health": "warning"},
            *({"id": f"d{n}", "address": f"10.0.1.{n}", "port": 81} for n in range(5)),
        ],
        "check": {"http": "http://{address}:80/"},
    }
    service, faults = service_from_data("web", data)
    assert service is not None
    assert service.check == Check(http="http://{address}:80/")
    assert len(service.instances) == 8
    assert [(path, is_warning) for path, _, is_warning in faults] == [("check.http", False)] * 3
    messages = [message for _, message, _ in faults]
    assert messages[0].startswith("not run for b: it has no port")
    assert messages[1].startswith("not run for c: 169.254.1.1 is a link-local or metadata address")
    assert messages[2].startswith("not run for d0, d1, d2 and 2 more: a check may ask a port of the instance alone")


def test_a_check_with_a_user_name_is_left_out_alone_and_its_password_is_told_to_nobody():
    data = {"address": "10.0.0.1", "port": 80, "check": {"http": "http://me:secret@{address}:{port}/"}}
    service, faults = service_from_data("web", data)
    assert service is not None
    assert service.check is None
    [(path, message, is_warning)] = faults
    assert (path, is_warning) == ("check.http", False)
    assert "secret" not in message


@pytest.mark.parametrize(
    ("written", "expected"), [(False, False), ("false", False), ("True", True), (None, None), ("no", None), (0, None)]
)
def test_verify_is_true_or_false(written, expected):
    data = {"address": "10.0.0.1", "port": 80, "check": {"tcp": "{address}:{port}", "verify": written}}
    service, faults = service_from_data("web", data)
    assert service is not None
    assert (service.check is None) is (expected is None)
    assert bool(faults) is (expected is None)
    if service.check is not None:
        assert service.check.verify is expected
