"""The types of the pages' replies: the code that makes a page is checked against them, and `/v1/openapi.json` is made from them.

Keys may be added, none goes away ("version": 1).
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

State = Literal["well", "degraded", "starting"]


class Versioned(TypedDict):
    version: int


class Index(Versioned):
    name: str
    release: str
    paths: list[str]


class Alive(Versioned):
    status: str
    release: str


class Ready(Versioned):
    ready: bool
    missing: list[str]
    degraded: list[str]
    serial: int


class Trouble(TypedDict):
    """One thing that the server lacks: a provider, a worker, an upstream, an address or a file."""

    code: str
    subject: str
    text: str
    since: str


class ConfigFile(TypedDict):
    """`found`: by a search; it was not named."""

    file: str | None
    found: bool


class ZoneState(TypedDict):
    name: str
    serial: int
    services: int
    instances: int


class ProviderSummary(TypedDict):
    """`age_s`: seconds since it was last known to be there; 0 while it is, null: never."""

    name: str
    type: str
    state: str
    services: int
    instances: int
    rejected: int
    age_s: float | None
    last_error: str


class WorkerState(TypedDict):
    """`queries`: answered since it started."""

    number: int
    pid: int | None
    state: str
    serial: int
    queries: int


class UpstreamState(TypedDict):
    """`zone`: whose names it is asked for; "." for all others. `state`: up, dead, own (it is this server), loop (it leads back here)."""

    address: str
    zone: str
    state: str
    rtt_ms: float | None
    asked: int
    failed: int
    last_error: str


class Status(Versioned):
    state: State
    problems: list[Trouble]
    config: ConfigFile
    listen: list[str]
    zones: list[ZoneState]
    providers: list[ProviderSummary]
    workers: list[WorkerState]
    upstreams: list[UpstreamState]


class UpstreamList(Versioned):
    upstreams: list[UpstreamState]


class ProviderFacts(TypedDict):
    name: str
    type: str
    state: str
    optional: bool
    contact_age_s: float | None
    view_age_s: float | None
    last_error: str
    last_error_age_s: float | None
    errors: int
    services: int
    instances: int
    rejected: int
    held: int
    index: str
    restored: bool


class Providers(Versioned):
    serial: int
    providers: list[ProviderFacts]


class ServicePage(Versioned):
    """`service`: the dict of the library, with labels, names and provenance."""

    name: str
    service: dict[str, Any]


class ServiceList(Versioned):
    serial: int
    services: dict[str, dict[str, Any]]


class Config(Versioned):
    """`settings`: as in the file, whole, without secrets. `origins`: by the path of each, as in `cache.size`: flag, environment:NAME,
    file:LINE, detected or default."""

    file: str | None
    settings: dict[str, Any]
    origins: dict[str, str]


class CacheFigures(Versioned):
    workers: int
    counters: dict[str, int]


class Flushed(Versioned):
    """`workers`: for each, how many answers it dropped; null: it did not report that it is done."""

    dropped: int
    workers: list[int | None]


AskedQuestion = TypedDict("AskedQuestion", {"name": str, "type": str, "class": str})  # a keyword is among its keys


class RecordLine(TypedDict):
    name: str
    type: str
    ttl: int
    data: str


class ReplyReason(TypedDict):
    """An Extended DNS Error (RFC 8914)."""

    code: int
    text: str


class ExplainedAnswer(TypedDict):
    """The answer that the client gets over TCP."""

    rcode: str
    answer: list[RecordLine]
    authority: list[RecordLine]
    additional: list[RecordLine]
    ede: list[ReplyReason]


class ExplainedStep(TypedDict):
    """`code`: zone, special, reading, provider, shadowed, left-out, rejected, choice, ttl, stale, denied, not-ready, forward, upstream, cache, limit."""

    code: str
    subject: str
    text: str


class ExplanationPage(Versioned):
    """`serial`: of the catalog that the worker answers from."""

    question: AskedQuestion
    answer: ExplainedAnswer
    steps: list[ExplainedStep]
    did_you_mean: list[str]
    serial: int
    worker: int


class ConfigFault(TypedDict):
    """A fault in the form of `dnsdisco check --json`."""

    file: str
    line: int
    column: int
    path: str
    message: str


class ReloadDone(Versioned):
    ok: bool
    changed: list[str]


class ReloadFailed(Versioned):
    ok: bool
    error: str
    problems: list[ConfigFault]


class ChangeEvent(TypedDict):
    """Data of the event `change`."""

    serial: int
    changed: list[str]
    removed: list[str]


class QueryEvent(TypedDict):
    """Data of the event `query`. `time`: ISO 8601 in UTC with milliseconds. `source`: table, catalog, cache, stale, upstream, special or refused."""

    time: str
    client: str
    transport: str
    name: str
    type: str
    rcode: str
    source: str
    ms: float
    ede: list[ReplyReason]


class TargetGroup(TypedDict):
    targets: list[str]
    labels: dict[str, str]


class EnvoyEndpoints(TypedDict):
    version_info: str
    type_url: str
    resources: list[dict[str, Any]]


class Refused(Versioned):
    error: str
