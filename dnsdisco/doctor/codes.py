"""Every finding, declared once: docs/doctor.md is made from here, and each check takes its code from here.

Tens belong to a subject: 00 the server, 10 resolv.conf, 20 ports and the way of a message, 30 the C library's sources of names, 40 other
resolvers of this machine, 50 programs, 60 backends, 90 the doctor itself. A code is never used again for something else.
"""

from __future__ import annotations

from dnsdisco.doctor.finding import Code

FOUND = Code(
    "DD000", "ok", "programs find the names",
    "The first resolver that programs of this machine ask, and its answer for the SOA of each zone.",
    "The way from a program to the server is whole.",
    "",
)  # fmt: skip
NO_SERVER = Code(
    "DD001", "error", "no server runs",
    "The control socket, and the listen addresses of the configuration.",
    "Nobody answers for the zones. Either no server was started, or it uses another configuration than this command.",
    "start it: `dnsdisco serve`, or `systemctl start dnsdisco`; for one that runs with another configuration, give --config, --state-dir or --control",
)  # fmt: skip
NOT_ASKED = Code(
    "DD002", "note", "the server cannot be asked",
    "The control socket, where a server answers DNS.",
    "The server answers, but this user may not use its control socket, or it is another one than the configuration says. What only the "
    "server knows (its backends, its workers, its upstreams) was not looked at.",
    "run `dnsdisco doctor` as the user that the server runs as, or as root; or name its socket with --control",
)  # fmt: skip
WRITTEN = Code(
    "DD003", "error", "what was written has faults",
    "The configuration, the services file and the zone files, as `dnsdisco check` does.",
    "A server does not start with a faulty configuration; one that runs goes on with what it read before.",
    "mend each fault that `dnsdisco check` prints",
)  # fmt: skip
STARTING = Code(
    "DD004", "warning", "the server is starting",
    "The state in /v1/status.",
    "Not every provider has given its first view; until then, names that are not known yet are answered SERVFAIL.",
    "wait for the line `ready`; a provider that never answers has a finding of its own",
)  # fmt: skip
WORKER = Code(
    "DD005", "error", "a worker is behind",
    "The state and the serial of each worker in /v1/status, twice.",
    "A part of the queries is answered from an older catalog, or not at all. The supervisor replaces a worker that is dead.",
    "look at the log for the worker; `dnsdisco status` says how it goes on; a restart of the server replaces all of them",
)  # fmt: skip
ADDRESS = Code(
    "DD006", "error", "an address is not served",
    "The addresses that the server lacks, in /v1/status.",
    "The server waits for an address that this machine does not have (yet).",
    "add the address to an interface, or take it out of `listen`",
)  # fmt: skip
STATE_FOLDER = Code(
    "DD007", "warning", "the state folder cannot be written",
    "`state_dir`: the folder and its file system, as the user that the server runs as.",
    "The last good view of the providers is not kept: a start while a backend is down would know none of its services.",
    "let the server's user write {folder}, or name another folder with `state_dir`",
)  # fmt: skip
CERTIFICATE_ENDS = Code(
    "DD008", "warning", "a certificate is near its end",
    "The first certificate in `tls.certificate`.",
    "In a few days clients of DNS over TLS and over HTTPS will refuse the server.",
    "renew it; the server reads the file again by itself",
)  # fmt: skip
CERTIFICATE = Code(
    "DD009", "error", "a certificate cannot be used",
    "The first certificate in `tls.certificate`.",
    "Clients of DNS over TLS and over HTTPS refuse the server.",
    "replace it; the server reads the file again by itself",
)  # fmt: skip
NOT_NAMED = Code(
    "DD010", "error", "programs ask somebody else",
    "The `nameserver` lines of /etc/resolv.conf, and what each of these resolvers answers for the SOA of each zone.",
    "No resolver that programs ask knows the zone, so no name in it is found.",
    "{way}",
)  # fmt: skip
NAMES_OTHERS = Code(
    "DD011", "warning", "programs ask others, too",
    "Each of the first three `nameserver` lines of /etc/resolv.conf, and whether that resolver knows the zones.",
    "The C library asks the next server whenever the first one is slow, musl asks all at once, and `options rotate` goes through them: a "
    "server that does not know the zone then denies a name that exists.",
    "leave `nameserver {nameserver}` alone in the file; other names are forwarded (`--upstream ADDRESS`)",
)  # fmt: skip
WRITTEN_ANEW = Code(
    "DD012", "warning", "another program writes resolv.conf",
    "Where the link /etc/resolv.conf leads, and the comment at the head of the file.",
    "The file names the server now, and the program that owns it writes it anew at the next change of the network.",
    "{way}",
)  # fmt: skip
NOT_ON_53 = Code(
    "DD013", "error", "resolv.conf leads to a port where nobody listens",
    "The loopback addresses in resolv.conf, and whether something answers there on port 53.",
    "A resolv.conf has no place for a port: programs always ask port 53.",
    "let the server listen on port 53 of the address (`--listen {nameserver}:53`), or let a resolver that can name a port send it the zone "
    "(`dnsdisco setup resolved`, `dnsmasq`, `unbound`)",
)  # fmt: skip
PASSED_OVER = Code(
    "DD014", "error", "a line of resolv.conf is not read",
    "The `nameserver` lines of /etc/resolv.conf that are no plain address.",
    "The C library passes such a line over without a word; a port cannot be written there.",
    "write an address alone, and let the server listen on port 53",
)  # fmt: skip
TOO_MANY = Code(
    "DD015", "warning", "more than three nameservers",
    "The number of `nameserver` lines in /etc/resolv.conf.",
    "The C library reads the first three, and passes the rest over.",
    "leave at most three lines; one is best",
)  # fmt: skip
DEAD_NAMESERVER = Code(
    "DD016", "warning", "a nameserver does not answer",
    "Each of the first three `nameserver` lines of /etc/resolv.conf: whether anything replies there.",
    "Programs wait up to five seconds for it, with each name, before they ask the next.",
    "take the line out of /etc/resolv.conf, or start what should answer there",
)  # fmt: skip
NO_IPV6 = Code(
    "DD017", "warning", "resolv.conf names ::1, and nobody listens there",
    "A `nameserver ::1` line, and the server's listen addresses.",
    "The server listens on the IPv4 loopback alone. Programs that take this line first wait, or fail.",
    'add `"[::1]:53"` to `listen`, or take the line out',
)  # fmt: skip
NDOTS = Code(
    "DD018", "warning", "ndots is larger than 1",
    "`options ndots:` in /etc/resolv.conf.",
    "A name with fewer dots is first tried below each domain of the search list: several questions that are denied before the right one, and "
    "some of them leave this machine.",
    "take `ndots` out, or write names with a dot at their end",
)  # fmt: skip
SEARCH = Code(
    "DD019", "note", "a search list",
    "`search` and `domain` in /etc/resolv.conf.",
    "Names that do not exist are tried again below each of these domains: one typing error is several questions, and the upstreams see them.",
    "leave it if short names are in use; else take the line out",
)  # fmt: skip
PORT_HELD = Code(
    "DD020", "error", "another program holds the port",
    "The sockets in /proc/net, and the program behind each (of other users' programs only root sees the name).",
    "The server cannot listen on this address, because another program does.",
    "stop {program}, or let it send the zone here and listen on another port (`dnsdisco setup dnsmasq`, `unbound`)",
)  # fmt: skip
STUB_LISTENER = Code(
    "DD021", "error", "systemd-resolved's stub listener holds port 53",
    "The sockets in /proc/net: 127.0.0.53 or 127.0.0.54, or a program called systemd-resolve.",
    "The server wants port 53 of every address, and systemd-resolved has it on some.",
    "listen on 127.0.0.1:53 alone, which the stub leaves free; or set `DNSStubListener=no` in /etc/systemd/resolved.conf and restart systemd-resolved",
)  # fmt: skip
TCP = Code(
    "DD022", "error", "no answer over TCP",
    "The same question over UDP and over TCP, to each resolver that programs ask.",
    "An answer that does not fit a datagram is cut, and programs then ask over TCP (RFC 7766): large services are not found.",
    "let TCP port 53 through on {host}: look at `iptables -S` or `nft list ruleset`",
)  # fmt: skip
EDNS = Code(
    "DD023", "warning", "only small answers get through",
    "The OPT record (RFC 6891) in the reply of each resolver that programs ask, beside the server's own.",
    "The resolver takes no EDNS, or offers less than 1232 octets: more answers are cut and asked again over TCP, and the reasons that the "
    "server gives (Extended DNS Errors) are lost.",
    "raise the size in its configuration (dnsmasq: `edns-packet-max=1232`, unbound: `edns-buffer-size: 1232`), or ask the server directly",
)  # fmt: skip
LOOP = Code(
    "DD024", "error", "a forwarding loop",
    "The state of each upstream in /v1/status: the server finds out whether an upstream leads back to it.",
    "The server forwards to a resolver that forwards to the server: other names are not found, and each costs many questions.",
    "give the server upstreams that do not ask it: `--upstream ADDRESS`, or `forward.upstreams` in the configuration",
)  # fmt: skip
NO_UPSTREAM = Code(
    "DD025", "error", "other names are forwarded to nobody",
    "`forward.upstreams`, and the upstreams in /v1/status.",
    "The upstreams come from a resolv.conf that names the server alone, and its own addresses are passed over: every name outside the "
    "zones fails.",
    "name the upstreams: `--upstream ADDRESS`, or `forward.upstreams` in the configuration",
)  # fmt: skip
DEAD_UPSTREAM = Code(
    "DD026", "warning", "an upstream does not answer",
    "The state of each upstream in /v1/status.",
    "Names that it is for are answered by another upstream, from the cache, or not at all.",
    "look whether it is there (`dnsdisco query example.com --server {address}`), or take it out of `forward.upstreams`",
)  # fmt: skip
NO_DNS = Code(
    "DD030", "error", "the C library does not ask the DNS",
    "The `hosts:` line of /etc/nsswitch.conf.",
    "Programs look names up in the sources of this line alone.",
    "add `dns` to the line: `hosts: files dns`",
)  # fmt: skip
ENDS_BEFORE = Code(
    "DD031", "error", "the search ends before the DNS",
    "The sources before `dns` on the `hosts:` line of /etc/nsswitch.conf, and the actions in brackets behind each.",
    "A source with `[NOTFOUND=return]` that knows nothing of the zone denies every name in it. `mdns4_minimal [NOTFOUND=return]` does not: "
    "it leaves names of three labels alone.",
    "move `dns` before {source}, or take `{action}` out",
)  # fmt: skip
FULL_MDNS = Code(
    "DD032", "warning", "the full mDNS source stands before the DNS",
    "`mdns`, `mdns4` or `mdns6` (not `_minimal`) before `dns` on the `hosts:` line, with a zone below `.local`.",
    "nss-mdns before 0.11 takes every name below `.local`, waits five seconds for each, and later versions do as soon as /etc/mdns.allow has `.local`.",
    "write `mdns4_minimal [NOTFOUND=return]` in its place",
)  # fmt: skip
MDNS_ALLOW = Code(
    "DD033", "error", "mDNS takes the zone",
    "/etc/mdns.allow, beside a full mDNS source before `dns` on the `hosts:` line.",
    "The file gives every name below `.local` to multicast DNS, which knows nothing of the zone: each one takes five seconds, and fails if "
    "`[NOTFOUND=return]` follows.",
    "take the line out of /etc/mdns.allow, or write `mdns4_minimal [NOTFOUND=return]` in place of the full source",
)  # fmt: skip
HOSTS = Code(
    "DD034", "warning", "a hosts file has names of the zone",
    "/etc/hosts, where `files` stands before `dns` on the `hosts:` line.",
    "Such a name is never asked for: the address in the file is used, whatever the health of the service.",
    "take the line out of /etc/hosts",
)  # fmt: skip
TWO_LABELS = Code(
    "DD035", "error", "mDNS takes names of two labels",
    "A zone `local`, with an mDNS source before `dns` on the `hosts:` line.",
    "`web.local` is multicast DNS's own form of a name (RFC 6762 §3); the DNS is not asked.",
    "serve a zone of two labels, such as `svc.local` or `svc.internal`",
)  # fmt: skip
RESOLVED = Code(
    "DD040", "error", "systemd-resolved does not send the zone here",
    "The stub 127.0.0.53 (asked for the SOA of each zone), and `DNS=` and `Domains=` in resolved.conf and its drop-ins.",
    "systemd-resolved sends names below `.local` to the DNS only where a routing domain covers them, and refuses them otherwise.",
    "`dnsdisco setup resolved --apply`, which writes `DNS={address}` and `Domains=~{zone}` into a drop-in; then `systemctl restart systemd-resolved`",
)  # fmt: skip
FORWARDER = Code(
    "DD041", "error", "a local resolver does not send the zone here",
    "The first resolver that programs ask, where it runs on this machine, and its answer for the SOA of each zone.",
    "Programs ask a resolver of this machine that knows nothing of the zone.",
    "send it the zone: `dnsdisco setup dnsmasq`, `unbound` or `coredns` prints the lines (dnsmasq: `server=/{zone}/{dnsmasq_address}`)",
)  # fmt: skip
REBINDING = Code(
    "DD042", "warning", "a resolver removes private addresses",
    "The answers of a resolver that programs ask, beside the server's own, for one service that the server has.",
    "Protection against DNS rebinding (dnsmasq's `stop-dns-rebind`, unbound's `private-address`) takes the addresses of the services out of "
    "answers, mostly without a word.",
    "allow them for the zone: dnsmasq `rebind-domain-ok=/{zone}/`, unbound `private-domain: {zone}`",
)  # fmt: skip
MUSL = Code(
    "DD050", "note", "programs with musl",
    "The loader /lib/ld-musl-*.so.1.",
    "Before 1.2.4, musl does not ask over TCP: of an answer that is cut it takes what is there. It asks every nameserver at once, and one "
    "SERVFAIL for AAAA fails the whole look-up.",
    "keep answers small (`max_answers: 8`), name one nameserver, or take musl 1.2.4 or later",
)  # fmt: skip
DOCKER = Code(
    "DD051", "warning", "containers cannot reach the server",
    "The bridges of Docker and Podman in /proc/net/dev, `dns` in /etc/docker/daemon.json, and the server's listen addresses.",
    "A container has a loopback of its own: 127.0.0.1 of this machine is not reachable from it, and Docker leaves such a nameserver out.",
    "listen on the bridge, too (`--listen 172.17.0.1:53`), and let Docker name it: `dnsdisco setup docker`",
)  # fmt: skip
LOCAL = Code(
    "DD052", "note", "a zone below .local",
    "The zones, and whether Avahi or a browser is on this machine.",
    "`.local` belongs to multicast DNS (RFC 6762). Names of three labels work on Linux; macOS and some browsers ask multicast first, and are "
    "slow for names that do not exist.",
    "nothing, unless names are slow; then serve a second zone: `zones: [{zone}, svc.internal]`",
)  # fmt: skip
BROWSER = Code(
    "DD053", "note", "browsers may ask a resolver of their own",
    "Whether a browser is on this machine, and the canary name use-application-dns.net, asked of the first nameserver.",
    "Firefox asks a resolver on the Internet over HTTPS, which does not know the zone, unless the canary name does not exist. Chromium does so "
    "if the nameserver is one that it knows.",
    "answer the canary here, `forward: {{zones: {{use-application-dns.net: []}}}}`, or turn DNS over HTTPS off in the browser",
)  # fmt: skip
HAPROXY = Code(
    "DD054", "warning", "HAProxy takes all weights for equal",
    "The names of the zones in `server-template` lines of /etc/haproxy/haproxy.cfg, the weights of these services, and `srv_weight_scale`.",
    "HAProxy divides the weight of an SRV record by 256: weights below 256 are all the same to it.",
    "set `srv_weight_scale: 256`",
)  # fmt: skip
CLOCK = Code(
    "DD055", "warning", "the clock is wrong",
    "The clock, beside the times of files that were written before: resolv.conf, the state folder, the program itself.",
    "It is set back: certificates, DNS cookies and TSIG signatures depend on it, and ages of views are wrong.",
    "set it, and let it be kept: `timedatectl set-ntp true`",
)  # fmt: skip
UNREACHED = Code(
    "DD060", "error", "a backend has never answered",
    "The state of each provider in /v1/status: never_synced.",
    "Nothing is known of its services. Names that it could have are answered SERVFAIL, never denied.",
    "make it reachable, mend its address in `providers`, or set `optional: true`",
)  # fmt: skip
DENIED = Code(
    "DD061", "error", "a backend refuses the server",
    "The state of each provider in /v1/status: denied (401, 403, an ACL).",
    "The token is missing, is wrong or has too few rights. Services that it gave before are still answered.",
    "give the provider a token that may read (a token file with a policy, or a role; the page of the backend says which)",
)  # fmt: skip
STALE = Code(
    "DD062", "warning", "a backend is out of contact",
    "The state of each provider in /v1/status: down or stale.",
    "The last known services are answered (EDE 3 after `stale_after`); changes do not arrive.",
    "make the backend reachable; nothing needs to be done here",
)  # fmt: skip
REJECTED = Code(
    "DD063", "warning", "entries of a backend are left out",
    "`rejected` of each provider in /v1/status.",
    "An entry that cannot be used (no address, a bad port, a name that is none) is named in the log and left out; the rest is served.",
    "mend the entries that the log names (`left out`)",
)  # fmt: skip
UNFINISHED = Code(
    "DD090", "note", "a check has not ended",
    "The time that each check takes.",
    "Something that it asked hangs; what it would have found is not known.",
    "run `dnsdisco doctor` again, or look at {check} by hand",
)  # fmt: skip

TABLE: tuple[Code, ...] = tuple(
    sorted((each for each in dict(globals()).values() if isinstance(each, Code)), key=lambda row: row.code)
)
