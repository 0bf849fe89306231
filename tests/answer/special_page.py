"""docs/special-names.md: the table of special names as a page. `python -m tests.answer.special_page` writes it; a test holds the two together."""

from __future__ import annotations

from pathlib import Path

from dnsdisco.answer.special_use import Rule, Special, TABLE

PAGE = Path(__file__).parents[2] / "docs" / "special-names.md"

HEAD = """# Special names

Some names are not for the public DNS: a resolver answers them itself, and what it forwarded would tell an upstream what happens inside
(RFC 6761). Below is every one that this server answers, with and without upstreams. No other server's data about them are used, not even when
an alias of another name leads there. This page is made from the table in the code: `python -m tests.answer.special_page`.

```yaml
forward:
  zones:
    home.arpa: [192.0.2.1]             # any of these names can be given to an upstream,
    20.10.in-addr.arpa: [192.0.2.1]    # or a part of one: the rest of 10.in-addr.arpa stays here
    local: [192.0.2.1]                 # a domain controller's zone, say
```

- A zone of `forward.zones` that is one of these names, or below it, takes what it holds away from us. With an empty list of upstreams its
  names get REFUSED.
- A zone of ours may be inside one, as `svc.local` is: it is served, and the names above it exist (NODATA, RFC 8020).
- The reverse name of an instance's address is answered with the instance, whatever the table says.
- Negative answers carry a SOA of the zone in the table; their TTL is `negative_ttl`. Each says why (EDE 0): "home.arpa has no A record:
  home.arpa is special, and answered here", "x.invalid does not exist: …", "no instance is known to have the address 10.0.0.9: …".

| rule | what is answered |
|---|---|
"""

RULES = {
    Rule.LOCALHOST: "the name and everything below it: A 127.0.0.1, AAAA ::1, NODATA for other types",
    Rule.LOOPBACK_PTR: "PTR `localhost.` for a whole address; NODATA for other types and names",
    Rule.NOTHING: "NXDOMAIN for the name and everything below it",
    Rule.EMPTY: "the name exists with nothing at it (NODATA); NXDOMAIN below it. Part of an address is NODATA: an instance may have the rest",
    Rule.NODATA: "NODATA for the name and everything below it",
}

TAIL = """
## Not special here

- `test.`: forwarded, as other resolvers do. `forward.zones: {test: []}` refuses it.
- `ipv4only.arpa.` (RFC 7050): forwarded, for the network's DNS64 has to answer it.
- `use-application-dns.net.`: forwarded. With `forward.zones: {use-application-dns.net: []}` it is refused, which Firefox takes as the wish
  that it should not use DNS over HTTPS of its own accord.
- `internal.`: reserved for private use, forwarded. A good place for a zone of your own: `zones: [svc.internal]`.

## `.local` and multicast DNS

`.local` belongs to multicast DNS (RFC 6762 §3). Where `nss-mdns` (Avahi) or systemd-resolved's mDNS is on, a program's look-up of
`web.svc.local` may never reach a DNS server. On such hosts serve another zone beside it (`zones: [svc.local, svc.internal]`), and use
that.
"""


def _names(special: Special) -> str:
    """The first and the last of a long row of numbers stand for it."""
    names = [_short(name) for name in special.names]
    if len(names) <= 4:
        return ", ".join(f"`{name}`" for name in names)
    rows: list[list[str]] = []
    for name in names:
        number, _, rest = name.partition(".")
        is_next = rows and number.isdecimal() and rows[-1][-1] == f"{int(number) - 1}.{rest}"
        if is_next:
            rows[-1].append(name)
        else:
            rows.append([name])
    return ", ".join(f"`{row[0]}`" if len(row) == 1 else f"`{row[0]}` to `{row[-1]}`" for row in rows)


def _short(name: str) -> str:
    return name.replace(".0" * 31, ".0…0")


def page() -> str:
    rules = "\n".join(f"| {rule.value} | {RULES[rule]} |" for rule in Rule)
    rows = "\n".join(f"| {_names(special)} | {special.meaning} | {special.rule.value} | {special.source} |" for special in TABLE)
    return f"{HEAD}{rules}\n\n| names | what they are | rule | source |\n|---|---|---|---|\n{rows}\n{TAIL}"


if __name__ == "__main__":
    PAGE.write_text(page())
