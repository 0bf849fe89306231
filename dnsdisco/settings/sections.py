"""The settings that stand in sections of the file. A room that works by a section takes an object of it as it is."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from dnsdisco.settings import kinds as k
from dnsdisco.settings import lists
from dnsdisco.settings.setting import KEPT_S_MAX, Setting, TTL_S_MAX
from dnsdisco.written.addresses import PRIVATE_NETWORKS

RESPONSES_A_SECOND_MAX = 1_000_000  # more than a machine sends
CACHE_ENTRIES_MAX = 10_000_000  # some 5 GB of answers


class ForwardSettings(NamedTuple):
    """`zones`: (zone, its upstreams); a zone without upstreams is never forwarded."""

    upstreams: Annotated[
        tuple[str, ...],
        Setting(
            lists.UPSTREAMS,
            "The resolvers for all other names. `[]` (as a flag: `--upstream none`): none, and such names are REFUSED. "
            "Our own addresses in a resolv.conf are ignored.",
            flag="--upstream",
        ),
    ] = ("/etc/resolv.conf",)
    zones: Annotated[
        tuple[tuple[str, tuple[str, ...]], ...],
        Setting(
            lists.ByDomain(lists.UPSTREAMS, "zone: list of upstreams"),
            "Other resolvers for some zones; the longest match wins, and its names never go to the general ones. `[]`: such names are not forwarded.",
            default="`{}`",
        ),
    ] = ()
    policy: Annotated[
        str,
        Setting(
            k.Word("order", "fastest"),
            "The choice among several upstreams of a list. `order`: the first one that answers. `fastest`: they are equal, "
            "and the quickest is asked ([forwarding.md](forwarding.md)).",
        ),
    ] = "order"
    trust_ad: Annotated[bool, Setting(k.Truth(), "Pass on an upstream's claim to have validated DNSSEC (the AD bit).")] = False
    rebind_protection: Annotated[
        bool,
        Setting(
            k.Truth(),
            "Withhold an upstream's answer that gives a public name a private or loopback address ([cache.md](cache.md)).",
        ),
    ] = False
    rebind_allowed: Annotated[
        tuple[str, ...],
        Setting(lists.ListOf(lists.DOMAIN, "[corp.example]"), "Domains whose names may have such addresses all the same."),
    ] = ()
    case_randomisation: Annotated[
        bool,
        Setting(
            k.Truth(),
            "Send names to upstreams over UDP with random capitals (0x20), and accept only replies that repeat them "
            "([forwarding.md](forwarding.md)).",
        ),
    ] = False


class CacheSettings(NamedTuple):
    """The cache of one worker. TTLs in seconds."""

    # CoreDNS has 9,984 for each type, dnsmasq at most 10,000
    size: Annotated[int, Setting(k.Whole(0, CACHE_ENTRIES_MAX, zero="none"), "How many forwarded answers a worker keeps.")] = 10_000
    min_ttl: Annotated[
        int,
        Setting(
            k.Seconds(0, TTL_S_MAX, is_whole=True), "Positive answers are kept at least so long, and the client sees that TTL."
        ),
    ] = 0
    max_ttl: Annotated[int, Setting(k.Seconds(0, KEPT_S_MAX, is_whole=True), "Answers are kept at most so long.")] = (
        86_400  # Unbound's choice too
    )
    negative_max_ttl: Annotated[
        int, Setting(k.Seconds(0, KEPT_S_MAX, is_whole=True), "Negative answers are kept at most so long.")
    ] = 300
    # RFC 8767 §5: 1 to 3 days
    serve_stale: Annotated[
        int,
        Setting(
            k.Seconds(0, KEPT_S_MAX, zero="never", is_whole=True),
            "Time after its end for which an answer may still be used when no upstream answers (RFC 8767).",
        ),
    ] = 86_400

    def contradiction(self) -> str:
        return f"min_ttl ({self.min_ttl}) is larger than max_ttl ({self.max_ttl})" if self.min_ttl > self.max_ttl else ""


class AclSettings(NamedTuple):
    allow: Annotated[
        tuple[str, ...],
        Setting(
            lists.NETWORKS,
            "Clients that may ask; others get REFUSED. `private` stands for 10/8, 172.16/12, 192.168/16, 169.254/16, fc00::/7 and fe80::/10.",
            default='`[127.0.0.0/8, "::1/128", private]`',
        ),
    ] = ("127.0.0.0/8", "::1/128", *PRIVATE_NETWORKS)


class RateLimits(NamedTuple):
    """Prefix lengths in bits. A worker has its share of `responses_per_second`."""

    # as NSD has it (BIND and Unbound: off; Knot 50)
    responses_per_second: Annotated[
        int,
        Setting(
            k.WholeOrOff(1, RESPONSES_A_SECOND_MAX),
            "The most answers over UDP a second to one network, of each kind: answers, denials (NXDOMAIN), errors. Larger ones count "
            "more than once ([limits.md](limits.md)).",
        ),
    ] = 200
    # NSD's and BIND's choice, too
    slip: Annotated[
        int,
        Setting(
            k.Whole(0, 10, zero="none, 1: all"),
            "Of the queries over the limit, one in this many is answered with TC, so that a real client comes over TCP; the others are dropped.",
        ),
    ] = 2
    ipv4_prefix: Annotated[int, Setting(k.Whole(8, 32), "How long the prefix of a network is that is counted as one.")] = 24
    # what one customer gets (RFC 6177); anything longer could be walked through
    ipv6_prefix: Annotated[int, Setting(k.Whole(16, 128), "The same for IPv6.")] = 56
    exempt: Annotated[
        tuple[str, ...],
        Setting(
            lists.NETWORKS,
            "Clients that are not limited; the loopback and this host's own addresses never are.",
            default="`[private]`",
        ),
    ] = PRIVATE_NETWORKS


class IdentitySettings(NamedTuple):
    """RFC 4892, RFC 5001."""

    version: Annotated[str, Setting(k.Text(), "The answer to `version.bind` and `version.server` (class CH). Empty: REFUSED.")] = ""
    server_id: Annotated[
        str, Setting(k.Text(), "The answer to `id.server` and `hostname.bind` (class CH), and to NSID. Empty: REFUSED, no NSID.")
    ] = ""


class TlsSettings(NamedTuple):
    """PEM files. `key` None: it is in the certificate's."""

    certificate: Annotated[
        str | None,
        Setting(
            k.Path("null"),
            "The certificate of encrypted listeners, with the chain behind it. It is read again when its file changes, and on SIGHUP.",
            values="a PEM file",
            default="`null`; needed for `tls://` and `https://` in `listen`",
        ),
    ] = None
    key: Annotated[
        str | None,
        Setting(k.Path("null"), "The key to it, without a passphrase.", values="a PEM file; `null`: it is in the certificate's"),
    ] = None

    def contradiction(self) -> str:
        return "key: there is no certificate beside it" if self.key and not self.certificate else ""
