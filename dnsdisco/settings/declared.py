"""Every setting, in one line or a few: its type, its kind (bounds and words), its sentence for the documentation, its default.

What a setting is beside its type and its default stands in its annotation, which nothing evaluates before somebody asks
(`forms.declared`). Those of a section of the file are in `sections.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from dnsdisco.settings import kinds as k
from dnsdisco.settings import lists
from dnsdisco.settings.sections import (
    AclSettings,
    CacheSettings,
    ForwardSettings,
    IdentitySettings,
    RateLimits,
    TlsSettings,
)
from dnsdisco.settings.setting import KEPT_S_MAX, Section, Setting, TTL_S_MAX

WAIT_S_MAX = 3600  # of a start, or before an answer is called stale
WORKERS_MAX = 256  # one a core; a larger number is a slip of the pen


class Settings(NamedTuple):
    """The whole configuration. Where it came from `config`, nothing is left open: listen, providers, state_dir and control are decided."""

    zones: Annotated[
        tuple[str, ...],
        Setting(
            lists.ZONES,
            "Each zone serves the same services; PTR targets are in the first one.",
            flag="--zone",
            is_for_workers=True,
        ),
    ] = ("svc.local",)
    listen: Annotated[
        tuple[str, ...],
        Setting(
            lists.LISTENERS,
            "Addresses to answer on, over UDP and TCP. Without a port: 53. Port 0: one that the system chooses, printed when ready. "
            "An address that the machine does not have yet is served as soon as it is there; until then it is in the log and in `/ready`. "
            "`tls://ADDR:PORT` (without a port: 853): over TLS; `https://ADDR:PORT/PATH` (443, `/dns-query`): over HTTPS "
            "([encrypted.md](encrypted.md)).",
            default='`[127.0.0.1:53]`, and `"[::1]:53"` where IPv6 exists',
            flag="--listen",
            needs_restart=True,
        ),
    ] = ("127.0.0.1:53",)
    ttl: Annotated[
        int,
        Setting(
            k.Seconds(0, TTL_S_MAX, is_whole=True),
            "TTL of answers about services; a service may have its own.",
            is_for_workers=True,
        ),
    ] = 5
    negative_ttl: Annotated[
        int,
        Setting(
            k.Seconds(0, TTL_S_MAX, is_whole=True),
            'How long a client may keep "no such name" and "no such record": TTL and MINIMUM of the SOA record.',
            is_for_workers=True,
        ),
    ] = 2
    chain: Annotated[
        str,
        Setting(
            k.Word("first", "merge"),
            "The rule for a service that several providers have. `first`: the first one's instances. `merge`: the union.",
        ),
    ] = "first"
    when_all_unhealthy: Annotated[
        str,
        Setting(
            k.Word("fail_open", "empty"),
            "Critical instances are left out of answers. When none is left: `fail_open` answers all of them, `empty` none. A service's own "
            "setting overrides its provider's, and that overrides this one.",
        ),
    ] = "fail_open"
    startup_timeout: Annotated[
        float, Setting(k.Seconds(0, WAIT_S_MAX), "How long `ready` waits for the first view of every provider.")
    ] = 3.0
    stale_after: Annotated[
        float,
        Setting(
            k.Seconds(0, KEPT_S_MAX),
            "Time without contact after which a provider's answers carry EDE 3 (Stale Answer).",
            is_for_workers=True,
        ),
    ] = 30.0
    max_answers: Annotated[
        int,
        Setting(
            k.Whole(0, 65_535, zero="all"),
            "The most A or AAAA records in one answer: a weighted sample of them.",
            is_for_workers=True,
        ),
    ] = 0
    srv_weight_scale: Annotated[
        int,
        Setting(
            k.Whole(1, 65_535),
            "Weights in SRV records are multiplied by this. HAProxy divides them by 256: `256` makes them count there.",
            is_for_workers=True,
        ),
    ] = 1
    providers: Annotated[
        tuple[Mapping[str, Any], ...],
        Setting(
            lists.ProviderEntries(),
            "The sources of services, in order of precedence. An entry is a mapping with a `type`, or the type alone. `[]`: none.",
            default="detected",
            flag="--provider",
        ),
    ] = ()
    zone_files: Annotated[
        tuple[str, ...],
        Setting(
            lists.PATHS,
            "Extra records inside the zones, in the master format of RFC 1035. `*`, `?`, `[…]` and `**` match names.",
            values="paths",
        ),
    ] = ()
    forward: Annotated[ForwardSettings, Section(is_for_workers=True)] = ForwardSettings()
    cache: Annotated[CacheSettings, Section(is_for_workers=True)] = CacheSettings()
    acl: Annotated[AclSettings, Section(is_for_workers=True)] = AclSettings()
    rate_limit: Annotated[RateLimits, Section(is_for_workers=True)] = RateLimits()
    identity: Annotated[IdentitySettings, Section(is_for_workers=True)] = IdentitySettings()
    tls: Annotated[TlsSettings, Section(is_for_workers=True)] = TlsSettings()
    workers: Annotated[
        int,
        Setting(
            k.Whole(1, WORKERS_MAX),
            "Processes that answer. A change needs a restart, and so does one of `listen`.",
            flag="--workers",
            is_for_workers=True,  # of a limit, each has its share
            needs_restart=True,
        ),
    ] = 1
    http: Annotated[
        str | None,
        Setting(k.AddressOrOff(), "The address of health, metrics and the JSON API ([http.md](http.md)).", flag="--http"),
    ] = "127.0.0.1:8053"
    http_hosts: Annotated[
        tuple[str, ...],
        Setting(
            lists.DOMAINS,
            "Host names that HTTP requests may use, beside addresses, `localhost` and this machine's own name ([http.md](http.md)), such as "
            "that of a Kubernetes Service.",
        ),
    ] = ()
    state_dir: Annotated[
        str | None,
        Setting(
            k.Path("off"),
            "The folder for the last good view of every provider, so that a server that starts while all of them are down still answers. "
            "Each server needs its own.",
            values="a folder, or `off`",
            default="`~/.local/state/dnsdisco`; off for an account without a home",
            flag="--state-dir",
        ),
    ] = None
    control: Annotated[
        str | None,
        Setting(
            k.Path("off"),
            "The socket that the command line, and `curl --unix-socket`, talk to ([http.md](http.md)); for the server's own user and root alone.",
            default="`control.sock` in the state folder; without one, `dnsdisco/control.sock` in `XDG_RUNTIME_DIR`, else in `/run`",
            flag="--control",
        ),
    ] = None
    log_level: Annotated[
        str,
        Setting(
            k.Word("debug", "info", "warning", "error"),
            "The lowest level that is logged, on stderr.",
            flag="--log-level",
            is_for_workers=True,
        ),
    ] = "info"
    log_format: Annotated[
        str,
        Setting(
            k.Word("text", "json"),
            "`json`: every line is a JSON object, the ready line too.",
            flag="--log-format",
            is_for_workers=True,
        ),
    ] = "text"
