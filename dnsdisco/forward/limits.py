"""The bounds of the forwarder. What is set of it is in ForwardSettings (`forward:` in the configuration)."""

from __future__ import annotations

from typing import NamedTuple


class ForwardLimits(NamedTuple):
    """Seconds, counts, octets. Each has a counter of how often it was reached."""

    deadline_s: float = 1.9  # from question to reply or error: the client must hear from us within 2 s, long before its own 5 s
    patience_min_s: float = 0.4  # an upstream gets at least this long before the next is asked as well …
    patience_max_s: float = 0.8  # … and at most this long, however slow it usually is
    patience_unknown_s: float = 0.6  # for one that has never answered yet
    patience_dead_s: float = 0.2  # one that is known to be silent is asked only when nothing else is left
    precedence_s: float = (
        1.6  # a better-placed upstream has this long to contradict a later one's denial; the client needs the rest
    )
    repeat_s: float = 0.4  # between repeats, when every upstream has been asked and none has answered
    pending: int = 1024  # different questions on their way; more are shed. dnsmasq has 150, Unbound 2048 a thread
    pending_slow: int = 512  # of these: may take until the deadline. Those begun while so many were on their way …
    jostle_s: float = 0.2  # … give their place, after this long, to a new one that finds none (Unbound's rule, and its figure)
    pending_dead: int = 64  # on their way to upstreams that are all dead: enough to notice when one is back
    wrong_replies: int = 100  # on one socket; then it is being flooded, and the upstream is asked over TCP
    doubts: int = 3  # times that one question goes to TCP for doubt at one upstream, before that one has failed
    failures: int = 3  # in a row that failed at once, and an upstream counts as dead
    silence_s: float = 1.1  # an upstream that is silent for so long, to a repeated question of ours, is asked last
    retry_s: float = 1.0  # until a silent upstream is tried again
    measure_s: float = 10.0  # `policy: fastest`: one that was not asked for this long is measured anew
    stream_pipeline: int = 256  # questions on one connection at once
    streams: int = 4  # connections to one upstream: together as many questions as may be pending
    stream_idle_s: float = 10.0  # what we give our own clients; RFC 7766 §6.2.3 asks for a few seconds
    stream_silence_s: float = (
        0.5  # where a question waits this long and nothing comes, the connection may be dead: another one is tried
    )
    connect_s: float = 1.5
    https_pending: int = 256  # questions on their way to one https upstream, on `streams` connections; servers allow 100 on each
    https_idle_s: float = 30.0  # a handshake costs more than on the other transports, and servers expect to be kept
    https_host_s: float = 300.0  # the addresses of a host that was written by name are used so long
    watch_s: float = 2.0  # between two looks at resolv.conf
