"""The bounds that whoever asks can meet: where each is in the code, why it is what it is, what counts it, and what the client sees.

`python -m tests.server.limits_page` writes the table of docs/limits.md from here; values are those of the code.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
BEGIN, END = "<!-- bounds: written by python -m tests.server.limits_page -->\n", "<!-- end of bounds -->\n"


class Bound(NamedTuple):
    """`where`: module:NAME or module:Class.field, below `dnsdisco`."""

    title: str
    where: str
    unit: str
    why: str
    metrics: tuple[str, ...]  # as in docs/http.md, a label's value behind a `=`
    seen: str


TCP = "server.tcp_limits:TcpLimits."
ASK = "server.cached_upstream:UpstreamLimits."
FORWARD = "forward.limits:ForwardLimits."
CACHE = "cache.limits:CacheLimits."
CACHED = "settings.sections:CacheSettings."
RATE = "settings.sections:RateLimits."
ERRORS = "dnsdisco_control_provider_errors_total"
EVENTS = "dnsdisco_server_tcp_events_total"
ANSWERS = "dnsdisco_server_answers_total"
FORGOTTEN = "dnsdisco_server_forgotten_total"
LIMITED = "dnsdisco_server_rate_limited_total"


def _of(title: str, where: str, unit: str, why: str, metrics: str, seen: str) -> Bound:
    return Bound(title, where, unit, why, tuple(filter(None, metrics.split())), seen)


GROUPS: dict[str, tuple[Bound, ...]] = {
    "Queries and answers": (
        _of("a datagram", "server.udp:QUERY_OCTETS_MAX", "octets", "no query is longer", f"{ANSWERS}=FORMERR", "FORMERR"),
        _of("queries that wait for more than a look-up", "server.miss_queue:WAITING_MAX", "a socket", "a tenth of a second's work; a client that waits longer asks again", "dnsdisco_server_udp_dropped_total", "nothing; asks again"),
        _of("queries that piled up while no worker read", "server.udp:PILED_UP_MAX", "a socket", "what its buffer holds; more is a flood, and the row above counts", "dnsdisco_server_udp_dropped_total", "nothing; asks again"),
        _of("options in one query", "wire.edns:OPTIONS_MAX", "", "64 KiB of empty ones would cost 5 ms", f"{ANSWERS}=FORMERR", "FORMERR"),
        _of("additional records in one query", "wire.query:ADDITIONAL_MAX", "", "OPT and TSIG; nothing else has a meaning", f"{ANSWERS}=FORMERR", "FORMERR"),
        _of("a datagram to another host", "wire.reply:Limits.remote", "octets", "nothing is fragmented (RFC 9715)", "dnsdisco_server_udp_cut_total", "TC; all of it over TCP"),
        _of("a datagram on this host", "wire.reply:Limits.local", "octets", "there is no link to fragment on", "dnsdisco_server_udp_cut_total", "TC; all of it over TCP"),
        _of("a reason (EDE text)", "wire.edns:EDE_TEXT_OCTETS_MAX", "octets", "a longer one would crowd out answers", "", "a cut text"),
        _of("why an instance is critical", "model.public:REASON_OCTETS_MAX", "octets", "it stands in an EDE, beside the rest of a sentence", "", "a cut text"),
        _of("why an instance was left out", "model.public:LEFT_OUT_OCTETS_MAX", "octets", "what was expected, and what was found; of the first one", "dnsdisco_control_provider_rejected_objects", "a cut text"),
        _of("services whose denial has the reason", "control.provider_set:REJECTED_SHOWN_MAX", "a provider", "each goes to every worker with every change of a provider's state", "dnsdisco_control_provider_rejected_objects", "a denial without a reason"),
        _of("aliases in a row", "answer.aliases:ALIASES_MAX", "", "ours and those of upstreams together; names in use need three or four; Unbound 11, dnsmasq 12", "dnsdisco_cache_unusable_total", "SERVFAIL with the reason"),
        _of("questions to upstreams for one answer", "answer.steps:QUESTIONS_MAX", "", "64 host names in both families, and as much again where they lead on", f"{ANSWERS}=SERVFAIL", "what the others brought; SERVFAIL with the reason where they brought nothing"),
        _of("steps of an explanation", "answer.trace:STEPS_MAX", "", "some 100 KB; a service may have 20,000 instances", "", "a last step with the number of those left out"),
        _of("hosts looked up for ADDITIONAL", "answer.additional:TARGETS_MAX", "", "more would not fit", "", "fewer addresses beside the answer"),
        _of("clients that wait for an answer made in parts", "server.long_answers:WAITING_MAX", "", "a service of more than 400 instances; as many as may wait for upstreams", "dnsdisco_server_faults_total", "no answer; it asks again"),
        _of("host names flattened for one answer", "answer.flatten:HOSTS_MAX", "", "each may be a question to an upstream", "", "the addresses of the others"),
        _of("compiled answers", "answer.table:ENTRIES_MAX", "each level", "services times the types asked for, with room", f"{FORGOTTEN}=answers", "nothing; it is compiled anew"),
        _of("compiled answers", "answer.table:OCTETS_MAX", "octets", "of their records, some ten thousand large answers", f"{FORGOTTEN}=answers", "nothing; it is compiled anew"),
        _of("compiled denials", "answer.table:DENIALS_MAX", "shapes", "lengths of a label times types and flags", f"{FORGOTTEN}=denials", "nothing; they are compiled anew"),
        _of("clients at hand", "answer.admit:KNOWN_MAX", "addresses", "looking one up anew costs microseconds", f"{FORGOTTEN}=clients", "nothing"),
        _of("denied names that are compared with the existing ones", "server.hints:HINTS_MAX", "a second", "each costs up to 0.2 ms", "", 'NXDOMAIN without "did you mean"'),
        _of("cookies at hand", "wire.cookie:CACHE_ENTRIES_MAX", "", "hashing one anew costs 20 µs", f"{FORGOTTEN}=cookies", "nothing"),
        _of("clients with a cookie that are answered without a look at it", "answer.fast_path:COOKIES_AT_HAND_MAX", "", "as many as cookies at hand", f"{FORGOTTEN}=cookies", "nothing"),
        _of("age of a server cookie", "wire.cookie:ACCEPT_PAST_S", "s", "RFC 9018 §4.3", "", "a new cookie; until it is shown, the rate limit holds"),
    ),
    "Rate of answers (see above)": (
        _of("answers to a network", f"{RATE}responses_per_second", "a second, of each kind", "NSD 200, Knot 50, BIND and Unbound off; `rate_limit.responses_per_second`", f"{LIMITED}=dropped {LIMITED}=slipped", "nothing, or TC"),
        _of("of what is over, TC for one in", f"{RATE}slip", "", "a true client comes over TCP; `rate_limit.slip`", f"{LIMITED}=slipped", "TC"),
        _of("a network, IPv4", f"{RATE}ipv4_prefix", "bits", "BIND's and NSD's choice; `rate_limit.ipv4_prefix`", "dnsdisco_server_rate_limited_networks", ""),
        _of("a network, IPv6", f"{RATE}ipv6_prefix", "bits", "what one customer gets (RFC 6177); `rate_limit.ipv6_prefix`", "dnsdisco_server_rate_limited_networks", ""),
        _of("an answer that costs one", "answer.rate:OCTETS_A_TOKEN", "octets", "51 KB a second to a network at most", "", "as above"),
        _of("networks that are counted", "answer.rate:PREFIXES_MAX", "", "6 MB", f"dnsdisco_server_rate_limited_networks {FORGOTTEN}=networks", "nothing; counting begins anew"),
    ),
    "TCP, TLS and HTTPS": (
        _of("connections", f"{TCP}connections", "of each kind of listener", "BIND has 150, CoreDNS no bound", f"{EVENTS}=limit {EVENTS}=slow_in_a_crowd {EVENTS}=limit_refused", "the longest idle one is closed, else one that does not get on; a newcomer only when all are at work"),
        _of("connections of one client", f"{TCP}per_client", "from another host", "RFC 9210 §4.1 suggests 25", f"{EVENTS}=client_limit {EVENTS}=client_limit_refused", "as above, among its own"),
        _of("idle", f"{TCP}idle_s", "s", "as Knot and dnsdist; RFC 7766 §6.2.3: a few seconds", f"{EVENTS}=idle", "closed"),
        _of("idle, when every place is taken", f"{TCP}idle_min_s", "s", "RFC 9210 §4.2: shorter under load", f"{EVENTS}=idle", "closed"),
        _of("the share of used places from which on it shrinks", f"{TCP}crowded", "", "Unbound begins at a half", f"{EVENTS}=idle", "closed sooner"),
        _of("a message", f"{TCP}message_s", "s", "from its first octet, however it drips", f"{EVENTS}=slow", "closed"),
        _of("idle or at one message, in a crowd", f"{TCP}begun_s", "s", "a newcomer's question comes within a round trip", f"{EVENTS}=slow_in_a_crowd {EVENTS}=limit", "closed, for a newcomer"),
        _of("a TLS handshake", f"{TCP}handshake_s", "s", "a slow link takes a second", f"{EVENTS}=handshake_slow", "closed"),
        _of("a question without an answer", f"{TCP}answer_s", "s", "it was dropped, and keeps the connection no longer", f"{EVENTS}=idle", "closed once idle"),
        _of("a client that does not read", f"{TCP}unread_s", "s", "it is gone", f"{EVENTS}=unread", "reset"),
        _of("unsent, of one client", f"{TCP}unsent_octets", "octets", "replies that come late; none fits behind", f"{EVENTS}=unread", "reset"),
        _of("unsent, and nothing more is read", f"{TCP}pause_octets", "octets", "a client that reads slowly is waited for", "", "waits"),
        _of("unsent, in the kernel", f"{TCP}kernel_octets", "octets", "without it the kernel holds up to 4 MB for each", f"{EVENTS}=unread", "waits"),
        _of("questions of one connection that wait", f"{TCP}in_flight", "", "more are not read until some are answered", "", "waits"),
        _of("all connections, in one turn of the loop", f"{TCP}turn_s", "s", "datagrams are not to wait for longer", f"{EVENTS}=waited", "waits for its turn"),
        _of("what is in flight at the end", f"{TCP}drain_s", "s", "a stop takes 5 s at most", f"{EVENTS}=shutdown", "closed"),
    ),
    "HTTP of DNS over HTTPS ([encrypted.md](encrypted.md); those of TCP hold, too)": (
        _of("the head of a request", "server.doh:HEAD_OCTETS_MAX", "octets", "a query in the address is some hundred octets, cookies of others a few thousand", f"{EVENTS} {EVENTS}=abuse", "431; over HTTP/2 ENHANCE_YOUR_CALM (CVE-2024-27316)"),
        _of("a body", "server.doh:BODY_OCTETS_MAX", "octets", "a DNS message has no more; over HTTP/2 those of one connection together", EVENTS, "413; over HTTP/2 it waits"),
        _of("requests at once", "server.http2:STREAMS_MAX", "", "RFC 9113 §6.5.2 advises no fewer", f"{EVENTS}=malformed", "closed: PROTOCOL_ERROR"),
        _of("a frame", "server.http2_frames:FRAME_OCTETS_MAX", "octets", "what HTTP/2 begins with; refused by its head", f"{EVENTS}=malformed", "closed: FRAME_SIZE_ERROR"),
        _of("requests given up", "server.http2_frames:RESETS_FREE", "and half of those made", "each may be a question to an upstream (CVE-2023-44487)", f"{EVENTS}=abuse", "closed: ENHANCE_YOUR_CALM"),
        _of("frames without a request", "server.http2_frames:BUSY_FREE", "and 4 for each request", "pings, settings, windows, priorities, empty data", f"{EVENTS}=abuse", "closed: ENHANCE_YOUR_CALM"),
        _of("answers that its windows hold back", "server.https_connection:STUCK_OCTETS_MAX", "octets", "it asks and does not let us answer", f"{EVENTS} {EVENTS}=unread", "503; after 5 s reset"),
        _of("unsent and held back together", "server.https_connection:UNREAD_OCTETS_MAX", "octets", "answers that come late on top of the others", f"{EVENTS}=unread", "reset"),
        _of("headers that are indexed", "server.http2:TABLE_OCTETS_MAX", "octets", "each is looked through for every response", "", "longer heads"),
        _of("requests, in one turn of the loop", "server.https_connection:TURN_S", "s", "one costs as much as ten answers", "", "waits for its turn"),
    ),
    "Names of others ([forwarding.md](forwarding.md) and [cache.md](cache.md) have more)": (
        _of("questions on their way", f"{FORWARD}pending", "", "Unbound 2048 a thread, dnsmasq 150, BIND 1000 clients", "dnsdisco_forward_pending_queries dnsdisco_forward_shed_total", "SERVFAIL with the reason, or a stale answer"),
        _of("queries that wait for an upstream", f"{ASK}waiting", "", "some for each question on its way; 4 MB", "dnsdisco_server_waiting_queries dnsdisco_cache_shed_total", "SERVFAIL with the reason, or a stale answer"),
        _of("… of one client on another host", f"{ASK}waiting_per_client", "", "one client does not take all places", "dnsdisco_cache_shed_of_client_total", "the same"),
        _of("until an answer or an error", f"{FORWARD}deadline_s", "s", "long before a stub resolver's own 5 s", "dnsdisco_forward_deadline_total", "SERVFAIL with the reason, or a stale answer"),
        _of("until a stale answer", f"{ASK}patience_s", "s", "RFC 8767 §5", "dnsdisco_cache_stale_total", "what was known, with EDE 3 or 19"),
        _of("wrong replies on one socket", f"{FORWARD}wrong_replies", "", "somebody floods it", "dnsdisco_forward_wrong_replies_total dnsdisco_forward_floods_total", "nothing; TCP is asked"),
        _of("records that prove a denial", "answer.believe:PROOFS_MAX", "", "three NSEC3 and their signatures are a dozen", "dnsdisco_cache_unusable_total", "SERVFAIL with the reason"),
        _of("answers that are kept", f"{CACHED}size", "", "CoreDNS 9,984 a type, dnsmasq 10,000 at most; `cache.size`", "dnsdisco_cache_entries dnsdisco_cache_evictions_total", "nothing; it is asked for anew"),
        _of("answers that are kept", f"{CACHE}octets", "octets", "as the best keep, with what the interpreter needs", "dnsdisco_cache_size_bytes dnsdisco_cache_evictions_total", "nothing; it is asked for anew"),
        _of("failures that are kept", f"{CACHE}failures", "", "apart, so that they push no answer out", "dnsdisco_cache_failure_entries", "nothing"),
        _of("the longest TTL", f"{CACHED}max_ttl", "s", "as Unbound; `cache.max_ttl`", "", "this TTL"),
        _of("the longest TTL of a denial", f"{CACHED}negative_max_ttl", "s", "what is missing today is often there soon; Unbound 3600; `cache.negative_max_ttl`", "dnsdisco_cache_negatives_total", "this TTL"),
        _of("busy answers in the datagram loop", "answer.hot_entries:ENTRIES_MAX", "", "dropped four times a second, in less than 1 ms", "", "nothing; the longer way"),
        _of("… that are made anew there at once", "answer.hot_entries:RENEWED_MAX", "", "about a millisecond", "", "nothing; the longer way once"),
    ),
    "Backends ([consul.md](consul.md), [kubernetes.md](kubernetes.md), [adding-a-provider.md](adding-a-provider.md))": (
        _of("an answer of Consul", "providers.http:BODY_OCTETS_MAX", "octets", "one service with 50,000 instances", ERRORS, "the last data, marked stale"),
        _of("an answer of Kubernetes", "providers.kubernetes.connection:BODY_OCTETS_MAX", "octets", "a page of 500 objects of 0.5 MB each", ERRORS, "the last data, marked stale"),
        _of("an event of Kubernetes", "providers.kubernetes.reflector:LINE_OCTETS_MAX", "octets", "etcd takes objects of 1.5 MB", ERRORS, "the last data, marked stale"),
        _of("values in one answer, in all services of a plug-in", "providers.values:VALUES_MAX", "commas and brackets, objects twice", "those of 50,000 instances; at most 0.5 GB as objects, where 60 MB of `{},` would take 1.6 GB", ERRORS, "the last data, marked stale"),
        _of("a list of Kubernetes", "providers.kubernetes.resources:OBJECTS_MAX", "objects and endpoints", "the largest clusters have 150,000 pods", ERRORS, "the last data, marked stale"),
        _of("services of a plug-in", "providers.values:SERVICES_MAX", "", "ten times what the server is made for", ERRORS, "the last data, marked stale"),
        _of("tags, ports, meta of an instance, records of a service", "model.fields:ENTRIES_MAX", "each", "more than a DNS message holds", "dnsdisco_control_provider_rejected_objects", "none of these"),
        _of("instances of a service", "model.service:INSTANCES_MAX", "", "what the link to a worker carries as one message", "dnsdisco_control_provider_rejected_objects", "the others"),
    ),
    "HTTP of the control process": (
        _of("connections, through each door", "admin.connection:CONNECTIONS_MAX", "", "probes and scrapers of one machine", "dnsdisco_admin_connection_events_total=evicted", "the longest idle one is closed"),
        _of("clients that wait for changes, through each door", "admin.connection:WATCHERS_MAX", "", "a thousand programs, and some people", "dnsdisco_admin_connection_events_total=too_many_watchers", "503"),
        _of("clients that look at queries", "control.query_log:LOOKERS_MAX", "", "each query is held against the filter of each", "", "503"),
        _of("queries that such a client has not taken yet", "control.query_log:UNREAD_MAX", "", "some 600 KB of each", "", "an event `dropped`"),
        _of("queries that a worker looks at", "server.recorder:LOOKED_AT_A_SECOND", "a second", "a fiftieth of a processor; nothing while nobody looks", "", "an event `dropped`"),
        _of("queries that a worker looks at after a rest", "server.recorder:AT_ONCE_MAX", "", "two milliseconds", "", "an event `dropped`"),
        _of("explanations that are being made", "control.explanations:EXPLANATIONS_MAX", "", "each may ask upstreams for two seconds", "", "503"),
        _of("until an explanation is there", "control.explanations:EXPLAINED_S", "s", "an alias of aliases asks upstreams several times", "", "504"),
        _of("until the head of a request is whole", "admin.connection:HEAD_S", "s", "a client is a program", "dnsdisco_admin_connection_events_total=silent", "closed"),
        _of("to read a reply, or an event of a stream", "admin.connection:REPLY_S", "s", "the longest list for a slow reader", "dnsdisco_admin_connection_events_total=not_read", "closed"),
        _of("a request's head", "admin.gate:HEAD_OCTETS_MAX", "octets", "Apache 8 KB a line, nginx 32 KB", "", "431, closed"),
        _of("read from a client at once", "admin.connection:READ_OCTETS", "octets", "what is behind it waits in the kernel", "", "waits"),
        _of("Envoy's request", "admin.routes:NODE_OCTETS_MAX", "octets", "its list of extensions is some 10 KB", "dnsdisco_admin_requests_total=413", "413"),
        _of("clusters that Envoy asks for at once", "admin.envoy:CLUSTERS_MAX", "", "more than one proxy has", "dnsdisco_admin_requests_total=400", "400"),
        _of("a parameter of a query", "admin.request:TEXT_CHARACTERS_MAX", "characters", "a domain name, each octet escaped", "dnsdisco_admin_requests_total=400", "400"),
        _of("lists on their way", "admin.api:LISTS_MAX", "", "each holds the catalog that it began with", "dnsdisco_admin_requests_total=503", "503"),
        _of("changes that are remembered for clients that follow", "admin.change_log:CHANGES_MAX", "", "ten seconds of a storm", "", "`reset`: it reads all anew"),
        _of("names in them", "admin.change_log:NAMES_MAX", "", "2 MB", "", "`reset`"),
        _of("names in one report to a client", "admin.change_log:NEWS_NAMES_MAX", "", "reading the whole list costs less", "", "`reset`"),
    ),
}  # fmt: skip

# Bounds that no client meets as such: forms of messages, links between our processes, and parts of other bounds above.
NOT_LISTED = {
    "answer.staleness:STALE_SHOWN_MAX",
    "answer.flatten:NAMES_MAX",
    "answer.prepared:ORDERS_OCTETS_MAX",
    "answer.reasons:NEAR_OCTETS_MAX",
    "answer.reasons:REASONS_SHOWN_MAX",
    "answer.reasons:SPACES_SHOWN_MAX",
    "server.http2:CLOSED_STREAMS_MAX",
    "server.recorder:ROWS_MAX",
    "server.recorder:CLIENTS_MAX",
    "server.control_link:QUEUE_DATAGRAMS_MAX",
    "server.control_link:UPSTREAMS_MAX",
    "server.run:FILES_MAX",
    "server.serve:EXACT_OCTETS_MAX",
    "server.udp:PART_OCTETS_MAX",
    "wire.cookie:RENEW_S",
    "wire.constants:TTL_MAX",
    "wire.edns:OUR_UDP_OCTETS",
    "wire.name:LABEL_OCTETS_MAX",
    "wire.name:NAME_OCTETS_MAX",
    "wire.name:POINTERS_MAX",
    "wire.name:TEXT_MAX",
    "wire.name_reader:STEPS_MAX",
    "wire.parse:ERRORS_MAX",
    "wire.parse:RECORDS_MAX",
    "wire.presentation:RDATA_OCTETS_MAX",
    "wire.rdata:STRING_OCTETS_MAX",
    "wire.relay:BODY_OCTETS_MAX",
    "wire.reply:RECORDS_MAX",
    "wire.reply:TCP_OCTETS_MAX",
    "wire.tokens:WORDS_MAX",
    "wire.tcp_frame:MESSAGE_OCTETS_MAX",
}


def value(where: str) -> Any:
    """As the code has it."""
    module, _, name = where.partition(":")
    found: Any = importlib.import_module(f"dnsdisco.{module}")
    *classes, last = name.split(".")
    for each in classes:
        found = getattr(found, each)()
    return getattr(found, last)


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def block() -> str:
    """The table."""
    lines = []
    for title, bounds in GROUPS.items():
        lines += [
            "",
            f"### {title}",
            "",
            "| bound | name | value | why | counted by | what a client sees |",
            "|---|---|---|---|---|---|",
        ]
        for bound in bounds:
            counted = ", ".join(f"`{metric}`" for metric in bound.metrics) or ""
            lines.append(
                f"| {bound.title} | `{bound.where.partition(':')[2]}` | {_shown(value(bound.where))} {bound.unit}".rstrip()
                + f" | {bound.why} | {counted} | {bound.seen} |"
            )
    return "\n".join(lines[1:]) + "\n"


def page() -> str:
    """docs/limits.md with the table as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + block() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page())
