"""The bounds of the TCP side (RFC 7766 §6.2.3, RFC 9210 §4)."""

from __future__ import annotations

from typing import NamedTuple


class TcpLimits(NamedTuple):
    """The bounds of one worker's streams. Seconds, counts, octets."""

    connections: int = 512  # BIND has 150, CoreDNS no bound; a file descriptor and a few kilobytes each
    per_client: int = 32  # for a client on another host; those on this one share it anyway
    idle_s: float = 10.0  # Knot's and dnsdist's order; RFC 7766 §6.2.3: a few seconds
    idle_min_s: float = 0.5  # … and this when every place is taken
    crowded: float = 0.8  # above this share of the places in use, the idle time shrinks
    message_s: float = 5.0  # from a message's first octet to its last, however it drips; no longer than the idle time is by then
    begun_s: float = (
        0.1  # when every place is taken: a client that has been idle, or at one message, for so long goes for a newcomer
    )
    handshake_s: float = 5.0  # of TLS, from the connection to its end; a slow link takes a second
    answer_s: float = 5.0  # a question without an answer by then was dropped, and keeps the connection no longer
    unread_s: float = 5.0  # a client that takes nothing for this long is gone
    unsent_octets: int = 64 * 1024  # a client that reads so little is dropped
    pause_octets: int = 16 * 1024  # unsent, and no more questions are taken from it until it has read
    kernel_octets: int = (
        64 * 1024
    )  # SO_SNDBUF: what the kernel holds for a client that does not read; else it grows to 4 MB for each
    turn_s: float = 0.004  # for the questions of all connections, until the datagrams have their turn
    in_flight: int = 256  # questions of one connection that wait; more are not read until some are answered
    drain_s: float = 2.0  # for what is in flight when we end
