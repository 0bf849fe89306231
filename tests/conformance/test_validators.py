"""Validators behind a forwarding dnsdisco: what they can prove of a signed zone through it, they can prove; Unbound and BIND's delv.

The authority is named. Each validator is asked the same twice, behind dnsdisco and before the authority itself, cold and cached.
"""

from __future__ import annotations

import shutil
import subprocess

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from tests.conformance import rich
from tests.kit import section
from tests.server.peers import ask, unbound
from tests.server.test_run import worker

pytestmark = pytest.mark.servers

# Relative to a zone; what each is of.
NAMES = {
    "an address": [("www", "A"), ("www", "AAAA"), ("www", "TXT"), ("@", "SOA"), ("@", "NS"), ("@", "DNSKEY")],
    "no data": [("www", "MX"), ("ent", "A"), ("c.ent", "TXT"), ("@", "A"), ("www", "DS")],
    "no name": [("nothere", "A"), ("x.www", "A"), ("x.ent", "TXT"), ("a.nothere", "DS"), ("x.there.wild", "A")],
    "an alias": [("tomx", "A"), ("tomx", "CNAME"), ("dangling", "A"), ("toent", "A"), ("c9-0", "A"), ("c11-0", "A")],
    "too long a name": [(f"{rich.LONG}.dnlong", "A"), (f"x.{rich.LONG}.dnlong", "TXT")],
    "an alias into another zone": [("out", "A"), ("out", "AAAA"), ("danglingout", "A"), ("out", "MX")],
    "a wildcard": [("x.wild", "A"), ("y.x.wild", "TXT"), ("x.wild", "AAAA"), ("*.wild", "A")],
    "an alias of a wildcard": [("x.wildalias", "A"), ("x.wildalias", "CNAME"), ("x.wildalias", "MX"), ("x.wildnone", "A"), ("x.wildout", "A")],
    "below a DNAME": [("a.dn", "A"), ("a.dn", "CNAME"), ("b.dn", "A"), ("nothere.dn", "A"), ("z.w.dn", "A"), ("a.dn", "TXT"), ("b.dn", "CNAME")],
    "a DNAME": [("dn", "DNAME"), ("dn", "A"), ("dn", "TXT"), ("dn", "CNAME")],
    "DNAMEs in a row": [("a.dn2", "A"), ("a.dn2", "CNAME"), ("a.dnout", "A"), ("z.w.dnout", "A"), ("x.dnnone", "A")],
    "an alias of a wildcard, below a DNAME": [("a.wilddn", "A"), ("a.wilddn", "CNAME")],
    "odd types": [("naptr", "NAPTR"), ("unknown", "TYPE65280"), ("https", "HTTPS"), ("loc", "LOC"), ("rp", "RP"), ("large", "TXT")],
}  # fmt: skip
QUESTIONS = [(what, zone, *each) for what, several in NAMES.items() for zone in (*rich.SIGNED, rich.PLAIN) for each in several]
DELEGATIONS = [("secure", "test", zone.split(".", maxsplit=1)[0], "DS") for zone in (*rich.SIGNED, rich.PLAIN)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if rich.missing() or shutil.which("unbound") is None:
        pytest.skip(f"{rich.missing() or 'unbound'} (Debian: bind9, bind9-utils, unbound) is not installed")
    with rich.Authority(tmp_path_factory.mktemp("authority") / "named", rich.make()) as server:
        yield server


@pytest.fixture(scope="module")
def validators(authority, tmp_path_factory):
    """The port of dnsdisco, of Unbound behind it, and of Unbound before the authority."""
    anchor = f'trust-anchor: "{authority.anchor}"'
    folders = [tmp_path_factory.mktemp(name) for name in ("behind", "before")]
    with (
        worker(forward={"upstreams": [f"127.0.0.1:{authority.port}"]}) as made,
        unbound(folders[0], {".": made.port}, anchor, modules="validator iterator") as behind,
        unbound(folders[1], {".": authority.port}, anchor, modules="validator iterator") as before,
    ):
        yield made.port, behind, before


def named(name, zone):
    return f"{zone}." if name == "@" else f"{name}.{zone}."


@pytest.mark.parametrize("what", [*NAMES, "secure"])
def test_unbound_proves_the_same_behind_us(validators, what):
    _, behind, before = validators
    for _ in range(2):
        for of, zone, name, rtype in (*QUESTIONS, *DELEGATIONS):
            if of == what:
                query = named(name, zone)
                replies = [ask(port, query, rtype, want_dnssec=True, tcp=True) for port in (behind, before)]
                told = []
                for reply in replies:
                    is_secure = zone != rich.PLAIN and bool(reply.flags & dns.flags.AD)
                    told.append((query, rtype, dns.rcode.to_text(reply.rcode()), is_secure, without_proofs(reply)))
                assert told[0] == told[1]


def without_proofs(reply):
    """Its records that are no signatures, which differ where a zone is signed anew."""
    return {line for line in section(reply.answer) if " RRSIG " not in line}


@pytest.mark.parametrize(
    "what", ["an address", "an alias", "below a DNAME", "DNAMEs in a row", "an alias of a wildcard", "no name", "a DNAME"]
)
def test_delv_proves_the_same_behind_us(authority, validators, tmp_path, what):
    if shutil.which("delv") is None:
        pytest.skip("delv (Debian: bind9-dnsutils) is not installed")
    ours, _, _ = validators
    owner, _, _, *rdata = authority.anchor.split()
    flags, protocol, algorithm, *key = rdata
    anchors = tmp_path / "anchors"
    anchors.write_text(f'trust-anchors {{ "{owner}" static-key {flags} {protocol} {algorithm} "{"".join(key)}"; }};\n')

    def delv(port, query, rtype):
        command = ["delv", "@127.0.0.1", "-p", str(port), "-a", str(anchors), f"+root={owner}", query, rtype, "IN"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        lines = (done.stdout + done.stderr).splitlines()
        words = [line.split() for line in lines if line]
        return sorted(
            " ".join(word for word in line if not word.isdecimal()) for line in words if "RRSIG" not in line
        )  # without TTLs

    verdicts = set()
    for of, zone, name, rtype in QUESTIONS:
        if of == what:
            query = named(name, zone)
            got, wanted = delv(ours, query, rtype), delv(authority.port, query, rtype)
            assert (query, rtype, got) == (query, rtype, wanted)
            verdicts.update(line for line in got if line.startswith(";"))
    assert any("fully validated" in line for line in verdicts)


def test_any_of_an_alias_below_a_dname_has_what_proves_it(validators):
    ours, _, _ = validators
    for rtype in ("ANY", "CNAME"):
        reply = ask(ours, "a.dn.rich.test.", rtype, want_dnssec=True, tcp=True)
        kinds = [(str(rrset.name), dns.rdatatype.to_text(rrset.rdtype)) for rrset in reply.answer]
        assert kinds[:3] == [("dn.rich.test.", "DNAME"), ("dn.rich.test.", "RRSIG"), ("a.dn.rich.test.", "CNAME")]
