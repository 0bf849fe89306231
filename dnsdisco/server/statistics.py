"""The counters of a worker beside those of its cache and its forwarder. Imports no other room: control and HTTP read the declarations."""

from __future__ import annotations

from typing import Annotated

from dnsdisco.counted import Counted, Labelled, Level
from dnsdisco.written import transports

TRANSPORTS = (
    "tcp",
    *filter(None, transports.TRANSPORTS),
)  # of connections; TRANSPORT.open is a level, every other TRANSPORT.EVENT a counter
LATENCY = "latency.us."  # then the upper bound of the bucket in microseconds, or `inf`
LATENCY_SUM = "latency.sum_us"
FAULTS = Labelled("faults", "server_faults_total", "reason", "Queries that were dropped or failed, by reason.")
FORGOTTEN = Labelled(
    "forgotten",
    "server_forgotten_total",
    "table",
    "Times a full table made room: a compiled answer, or all of the denials, cookies, clients or networks at once.",
)
LIMITED = Labelled(
    "rate_limit",
    "server_rate_limited_total",
    "outcome",
    "Answers over UDP that went beyond the rate limit: dropped, or slipped (sent to TCP).",
)
LINK = Labelled(
    "link",
    "server_link_events_total",
    "event",
    "Messages from control, and what went wrong with them (resyncs: the whole was asked for).",
)
BY_LABEL = (FAULTS, FORGOTTEN, LIMITED, LINK)


class WorkerStatistics(Counted, names="", metrics="server_"):
    in_flight: Annotated[int, Level("Queries that wait for an upstream.", metric="server_waiting_queries")] = 0
    serial: Annotated[int, Level("Serial of the catalog that the worker answers from.", metric="")] = 0
    log_lines_lost: Annotated[
        int, "Log lines of workers that could not be written: their reader has gone, or the disk is full."
    ] = 0
    internal_errors: Annotated[int, "Faults of dnsdisco itself in a worker; each is in the log."] = 0


class BacklogStatistics(Counted, names="udp.", metrics="server_udp_"):
    """The counters of one UDP socket's queue of misses."""

    dropped: Annotated[
        int, "Queries over UDP that were dropped, for so many waited that the table of compiled answers does not hold."
    ] = 0


class UdpStatistics(Counted, names="udp.", metrics="server_udp_"):
    """The counters of one UDP socket."""

    cut: Annotated[int, "Replies over UDP that were cut to what the client can take (TC)."] = 0
    unsent: Annotated[int, "Replies that the kernel would not take."] = 0


class CertificateStatistics(Counted, names="certificate.", metrics="server_certificate_"):
    changes: Annotated[
        int, "Certificates taken into use by encrypted listeners: one for each worker at its start, then the renewed ones."
    ] = 0
    refused: Annotated[int, "Certificates that could not be used; the log has the reason."] = 0


class AdmissionStatistics(Counted, names="rate_limit.", metrics=""):
    networks: Annotated[
        int, Level("Networks whose answers are counted for the rate limit.", metric="server_rate_limited_networks")
    ] = 0
