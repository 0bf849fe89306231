import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.errors import ZoneFileError
from dnsdisco.zone.master import check, parse, usable

ZONES = ("svc.local", "svc.internal")


def one(text):
    ((zone, record),) = parse(text, "x.zone", ZONES)
    return zone, record.owner, record.rtype, record.ttl, record.rdata


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 10.0.0.1", (("a",), 1, 300, b"\x0a\0\0\1")),
        ("a 60 IN A 10.0.0.1", (("a",), 1, 60, b"\x0a\0\0\1")),
        ("a IN 60 A 10.0.0.1 ; why", (("a",), 1, 60, b"\x0a\0\0\1")),
        ("$TTL 1h30m\na A 10.0.0.1", (("a",), 1, 5400, b"\x0a\0\0\1")),
        ("@ TXT x", ((), 16, 300, b"\1x")),
        ('A.svc.LOCAL. TXT "a;b" c\\;d \\065', (("a",), 16, 300, b"\3a;b\3c;d\1A")),
        ("$ORIGIN sub\na TXT (\n x\n y ) ; z", (("a", "sub"), 16, 300, b"\1x\1y")),
        ("a MX 10 mail", (("a",), 15, 300, b"\0\x0a\4mail\3svc\5local\0")),
        ("_x._tcp SRV 1 2 3 Web", (("_x", "_tcp"), 33, 300, b"\0\1\0\2\0\3\3Web\3svc\5local\0")),
        ("* A 10.0.0.1", (("*",), 1, 300, b"\x0a\0\0\1")),
        ("a TYPE999 \\# 2 0102", (("a",), 999, 300, b"\1\2")),
    ],
)
def test_records(text, expected):
    zone, *rest = one(text)
    assert zone == (b"svc", b"local")
    assert tuple(rest) == expected


def test_the_owner_and_the_ttl_carry_on():
    records = parse("a 7 A 10.0.0.1\n  A 10.0.0.2\n$ORIGIN svc.internal.\nb A 10.0.0.3", "x", ZONES)
    assert [(zone, record.owner, record.ttl) for zone, record in records] == [
        ((b"svc", b"local"), ("a",), 7),
        ((b"svc", b"local"), ("a",), 7),
        ((b"svc", b"internal"), ("b",), 7),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a A", 1, "without data"),
        ("a", 1, "without a type"),
        (" A 10.0.0.1", 1, "no owner above"),
        ("ok A 10.0.0.1\na NOSUCH x", 2, "not a record type"),
        ("a A 10.0.0.1.2", 1, "10.0.0.1.2"),
        ("a.example.com. A 10.0.0.1", 1, "not in a zone of ours"),
        ("a CH TXT x", 1, "only IN"),
        ("$INCLUDE other", 1, "zone_files"),
        ("a DNAME b", 1, "wildcard"),
        ("$FOO", 1, "$FOO"),
        ("$TTL never", 1, "TTL"),
        ("a 99999999999 A 10.0.0.1", 1, "TTL"),
        ('a TXT "open', 1, "quote"),
        ("a TXT ( x", 1, "never closed"),
        ("a TXT x )", 1, "without its ("),
        ("sub NS ns.sub", 1, "delegations"),
        ("a A 10.0.0.1\na CNAME b", 2, "CNAME"),
        ("a CNAME b\na CNAME c", 2, "CNAME"),
        ("a..b A 10.0.0.1", 1, "empty label"),
        ("a TXT x\\\r\n", 1, "backslash"),
        ("a TXT x\\\nb A 10.0.0.1", 1, "backslash"),
        ("a IN IN A 10.0.0.1", 1, "'IN' is not a record type"),
        ("a CLASS3 A 10.0.0.1", 1, "only IN"),
        ("a 1h30 A 10.0.0.1", 1, "'1h30'"),
        ("a 99999999999w A 10.0.0.1", 1, "99999999999w"),
        (f"a {'9' * 60}x A 10.0.0.1", 1, "999"),
        (f"$ORIGIN {'a.' * 100}\n$ORIGIN {'b.' * 100 + 'b'}", 2, "name of"),
        ("a ANY \\# 0", 1, "not a type that data can have"),
    ],
)
def test_faults_have_their_line(text, line, words):
    with pytest.raises(ZoneFileError) as caught:
        parse(text, "x.zone", ZONES)
    assert caught.value.line == line
    assert words in str(caught.value)
    (problem,) = check(text, "x.zone", ZONES)
    assert (problem.line, words in problem.message) == (line, True)


def test_all_faults_are_told_at_once():
    assert [problem.line for problem in check("a A x\nb A 10.0.0.1\nc A y\n", "x", ZONES)] == [1, 3]


@pytest.mark.parametrize(
    ("text", "owners", "lines"),
    [
        ("a A 10.0.0.1\nb A x\nc A 10.0.0.2", [("a",), ("c",)], [2]),
        ("a A 10.0.0.1\nb..b A 10.0.0.9\n  A 10.0.0.3\nc A 10.0.0.2", [("a",), ("c",)], [2, 3]),  # not a's third line
        ("a A x\n  A 10.0.0.2", [("a",)], [1]),
        ("a A 10.0.0.1\na CNAME b", [("a",)], [2]),
        ("a A 10.0.0.1\nb TXT ( x\nc A 10.0.0.2", [], [2]),  # one cannot tell where b ends
        ("a A 10.0.0.1\n$ORIGIN a..b.\nc A 10.0.0.2", [], [2]),  # … nor what c is called
        ("a A 10.0.0.1\n$INCLUDE x\nc A 10.0.0.2", [], [2]),
    ],
)
def test_what_is_usable_of_a_text_with_faults(text, owners, lines):
    records, problems = usable(text, "x", ZONES)
    assert [record.owner for _, record in records] == owners
    assert [problem.line for problem in problems] == lines


def test_what_a_zone_has_anyway_is_read_over():
    assert parse("@ SOA ns h 1 2 3 4 5\n@ NS ns\n", "x", ZONES) == []


@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text, "x", ZONES)
    except ZoneFileError:
        assert check(text, "x", ZONES)
