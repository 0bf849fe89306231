"""python -m tests.conformance ADDRESS PORT ZONE: RFC 8906, EDNS and odd input to any server.

python -m tests.conformance --peers: the same to dnsdisco and to every server of others that is installed, as Markdown.
python -m tests.conformance --signed: random questions of signed zones to dnsdisco and to forwarders of others, cold and cached.
"""

from __future__ import annotations

import argparse
import sys

from tests.conformance import comparison, standards
from tests.conformance.exchange import send, Target
from tests.conformance.probes import probes
from tests.conformance.wanted import A, Asked


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("address", nargs="?")
    parser.add_argument("port", nargs="?", type=int, default=53)
    parser.add_argument("zone", nargs="?", default="svc.local")
    parser.add_argument("--recursive", action="store_true", help="the zone is somebody else's: ask with RD, expect RA and no AA")
    parser.add_argument(
        "--large", default="", help="a name with more addresses than fit in 512 octets (default: many.ZONE, if it has)"
    )
    parser.add_argument("--odd", action="store_true", help="the table of odd input too; `web` in ZONE should have one IPv4 address")
    parser.add_argument("--peers", action="store_true", help="start and compare the servers that are installed")
    parser.add_argument("--signed", action="store_true", help="the same questions of signed zones to forwarders that are installed")
    parser.add_argument("--count", type=int, default=5000, help="questions for --peers and --signed (default: 5000)")
    parser.add_argument("--seed", type=int, default=8906)
    parser.add_argument("--reasons", action="store_true", help="put the table of reasons into docs/conformance.md")
    parser.add_argument("--write", action="store_true", help="with --peers or --signed: put the tables into docs/conformance.md")
    arguments = parser.parse_args()
    if arguments.reasons:
        comparison.put_reasons()
        return 0
    if arguments.peers:
        tables = comparison.run(arguments.count, arguments.seed, lambda text: print(text, file=sys.stderr))
        if arguments.write:
            comparison.put(tables)
        else:
            print(tables)
        return 0
    if arguments.signed:
        table = comparison.run_signed(arguments.count, arguments.seed, lambda text: print(text, file=sys.stderr))
        if arguments.write:
            comparison.put_signed(table)
        else:
            print(table)
        return 0
    if not arguments.address:
        parser.error("an ADDRESS, --peers or --signed")
    return _one(arguments)


def _one(arguments: argparse.Namespace) -> int:
    target, zone = Target(arguments.address, arguments.port), arguments.zone
    large = arguments.large or _large(target, zone, is_recursive=arguments.recursive)
    if not large:
        print(
            f"many.{zone} has not enough addresses to fill 512 octets: the questions for it are left out (--large names another one)"
        )
    is_good = True
    for title in standards.LISTS:
        for is_tcp in (False, True):
            outcome = standards.run(title, target, zone, large=large, is_recursive=arguments.recursive, is_tcp=is_tcp)
            is_good = is_good and not outcome.wrong
            print(f"{title:10} {'TCP' if is_tcp else 'UDP'}  {outcome}")
            for name, faults in outcome.wrong.items():
                print(f"    {name:14} {outcome.texts[name]:36} {' '.join(faults)}")
    if arguments.odd:
        is_good = _odd(target, zone) and is_good
    return 0 if is_good else 1


def _odd(target: Target, zone: str) -> bool:
    is_good = True
    for probe in probes(zone):
        udp, tcp = (comparison.outcome_of(target, probe.message, is_tcp=is_tcp) for is_tcp in (False, True))
        is_like_ours = udp == tcp == probe.expected
        is_good = is_good and is_like_ours
        print(
            f"{'' if is_like_ours else '*':1} {probe.title:44} {udp:10} {tcp:10} {'' if is_like_ours else f'dnsdisco: {probe.expected}'}"
        )
    return is_good


def _large(target: Target, zone: str, *, is_recursive: bool) -> str:
    name = f"many.{zone}"
    message = Asked("", "", zone, qname=name, qtype=A).message(is_recursive=is_recursive)
    reply = send(target, message, is_tcp=True)
    return name if reply is not None and len(reply) > 512 else ""


if __name__ == "__main__":
    sys.exit(main())
