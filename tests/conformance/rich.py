"""Zones with all that makes a resolver's life hard, signed: alias chains, DNAMEs, wildcards, empty non-terminals, delegations, odd types.

`test.` is the top of the tree and has the trust anchor. Below it are `rich.test` (NSEC), `three.test` (NSEC3), and `plain.test`, which is not
signed. One authority serves them all, with the same names in each, and nothing else.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.servers import Named
from tests.conformance.zonedata import Record, ZoneData

TOP = "test"
SIGNED = {"rich.test": False, "three.test": True}  # and whether by NSEC3
PLAIN = "plain.test"
TTL = 3600
CHAINS = 12  # of aliases, of ever more of them
LONG = ".".join(["l" * 60] * 3)  # below a DNAME: a name that becomes too long
NEEDED = ("dnssec-keygen", "dnssec-signzone")

# Owners are relative; `$` is the zone, `%` another one.
FIXED = r"""
@ NS ns.test.
@ MX 10 mail
@ TXT "v=spf1 -all"
@ CAA 0 issue "ca.example.net"
www A 192.0.2.1
www AAAA 2001:db8::1
www TXT "www"
mail A 192.0.2.2
short 1 A 192.0.2.3
zero 0 A 192.0.2.4
dn DNAME target
a.target A 192.0.2.5
b.target CNAME www
*.w.target A 192.0.2.6
dn2 DNAME dn
dnout DNAME target.%.
dnnone DNAME nothere
dnlong DNAME llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.target
dnloop DNAME x.dnloop
*.wild A 192.0.2.7
*.wild TXT "from a wildcard"
there.wild A 192.0.2.8
*.wildalias CNAME www
*.wilddn CNAME a.dn
*.wildnone CNAME nothere
*.wildout CNAME a.target.%.
deep.*.star TXT "an asterisk in the middle"
a.b.c.ent TXT "far down"
x.ent A 192.0.2.9
dangling CNAME nothere
danglingout CNAME nothere.%.
out CNAME www.%.
toent CNAME b.c.ent
tomx CNAME mail
loopa CNAME loopb
loopb CNAME loopa
selfish CNAME selfish
crossloop CNAME crossloop.%.
refused CNAME www.elsewhere.example.
hinfo HINFO "INTEL" "Linux"
naptr NAPTR 10 20 "u" "E2U+sip" "!^.*$!sip:info@example.test!" .
naptr NAPTR 20 20 "s" "SIP+D2U" "" _sip._udp
_sip._udp SRV 0 0 5060 www
_none._udp SRV 0 0 0 .
https HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
svcb SVCB 0 www
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
sshfp SSHFP 1 1 123456789abcdef67890123456789abcdef67890
tlsa TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
rp RP who txt
uri URI 10 1 "ftp://ftp.example.net/"
afsdb AFSDB 1 www
unknown TYPE65280 \# 4 0a000001
ptr PTR www
"""


@dataclass(frozen=True)
class Rich(ZoneData):
    """`masters`: each zone's file without SOA, and without what the signer adds."""

    masters: tuple[tuple[str, str], ...] = ()


def make(seed: int = 1) -> Rich:
    """The fixed records and, drawn from *seed*, chains of aliases within and between the zones."""
    source = random.Random(seed)
    zones = (*SIGNED, PLAIN)
    lines: dict[str, list[str]] = {zone: [] for zone in zones}
    for zone in zones:
        other = zones[(zones.index(zone) + 1) % len(zones)]
        lines[zone] += FIXED.replace("%", other).strip().splitlines()
        lines[zone] += [f"many A 198.51.100.{n}" for n in range(60)]
        lines[zone] += [f'large TXT "{n:03d}{"y" * 200}"' for n in range(40)]
    for number in range(CHAINS):
        zone = source.choice(zones)
        end = source.choice(("www", "mail", "nothere", "x.ent", "c.ent", "a.dn", "x.wild", "naptr", f"deeper.{LONG}.dnlong"))
        for step in range(number):
            to = source.choice((zone, zone, source.choice(zones)))
            target = f"c{number}-{step + 1}.{to}." if step + 1 < number else f"{end}.{to}."
            lines[zone].append(f"c{number}-{step} {source.choice((TTL, 60, 300))} CNAME {target}")
            zone = to
    records = [Record(_absolute(line, zone), TTL, line.split()[1], "") for zone, own in lines.items() for line in own]
    records += [Record(f"{inner}.{zone.removesuffix('.test')}", TTL, "A", "") for zone in zones for inner in INNER]
    return Rich(TOP, "{}", "", tuple(records), tuple((zone, "\n".join(own) + "\n") for zone, own in lines.items()))


# Names that no record has, and that make an answer of their own.
INNER = (
    "a.dn", "b.dn", "z.w.dn", "nothere.dn", "a.dn2", "a.dnout", "z.w.dnout", "x.dnnone", "x.dnloop", f"{LONG}.dnlong", "x.wild", "y.x.wild", "x.there.wild",
    "x.wildalias", "a.wilddn", "x.wildnone", "x.wildout", "nothere", "x.www", "ent", "c.ent", "star", "*.star", "*.wild", "x.star", "z.nothere",
)  # fmt: skip


def _absolute(line: str, zone: str) -> str:
    """The owner of *line*, relative to the top."""
    owner, below = line.split(maxsplit=1)[0], zone.removesuffix(f".{TOP}")
    return below if owner == "@" else f"{owner}.{below}"


def missing() -> str:
    """What is not here of what signs a zone; "": nothing."""
    return ", ".join(program for program in NEEDED if shutil.which(program) is None)


class Authority(Named):
    """named with all the zones, signed when it is made. `anchor`: the DNSKEY of the top, for a validator."""

    name = "authority"
    data: Rich

    def command(self) -> list[str]:
        zones = dict(self.data.masters)
        parents = [f"@ NS ns\nns A {self.address}\n"]
        for zone in (*SIGNED, PLAIN):
            label = zone.removesuffix(f".{TOP}")
            parents.append(f"{label} NS ns\n")
            if zone in SIGNED:
                parents.append(self._sign(zone, zones[zone], is_nsec3=SIGNED[zone]))
            else:
                self._write(zone, zones[zone])
        self._sign(TOP, "".join(parents), is_nsec3=False)
        keys = [path.read_text().splitlines()[-1] for path in self.folder.glob("Ktest.+*.key")]
        self.anchor = next(key for key in keys if " 257 " in key)
        served = "".join(
            f'zone "{zone}" {{ type master; file "{self._file(zone)}{"" if zone == PLAIN else ".signed"}"; check-names ignore; }};\n'
            for zone in (TOP, *SIGNED, PLAIN)
        )
        config = self.write(
            "named.conf",
            f'options {{ directory "{self.folder}"; listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};'
            f' pid-file "{self.folder}/named.pid"; session-keyfile "{self.folder}/session.key"; recursion no; minimal-responses no-auth;'
            f" zero-no-soa-ttl no; notify no; }};\ncontrols {{ }};\n{served}",
        )
        return [str(self.path()), "-g", "-n", "1", "-U", "1", "-c", str(config)]

    def _file(self, zone: str) -> Path:
        return self.folder / f"{zone}.zone"

    def _write(self, zone: str, text: str) -> None:
        head = f"$ORIGIN {zone}.\n$TTL {TTL}\n@ 900 IN SOA ns.test. hostmaster.test. 1 7200 1800 86400 900\n"
        self._file(zone).write_text(head + text)

    def _sign(self, zone: str, text: str, *, is_nsec3: bool) -> str:
        """The DS records for the parent."""
        self._write(zone, text)
        for flags in ([], ["-f", "KSK"]):
            self._run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *flags, zone)
        nsec3 = ["-3", "aabb", "-H", "5"] if is_nsec3 else []
        self._run(
            "dnssec-signzone", "-S", "-q", "-P", "-o", zone, "-f", f"{self._file(zone)}.signed", *nsec3, str(self._file(zone))
        )
        return (self.folder / f"dsset-{zone}.").read_text()

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
