"""What the forwarder has counted since it was made. Plain ints, written by one thread; names end up in the metrics."""

from __future__ import annotations


class Statistics:
    questions: int = 0  # exchanges begun
    shared: int = 0  # questions that joined one that was on its way
    shed: int = 0  # refused because too many were on their way (ForwardLimits.pending)
    shed_dead: int = 0  # of these: because every upstream is dead and some were waiting already (ForwardLimits.pending_dead)
    jostled: int = 0  # ended early, to make room for newer ones (ForwardLimits.jostle_s)
    failed: int = 0  # exchanges that ended without a usable reply
    deadline: int = 0  # of these: nobody answered in time
    sent_udp: int = 0  # datagrams, repeats included
    sent_stream: int = 0  # questions sent over TCP or TLS
    repeats: int = 0
    hedged: int = 0  # times the next upstream was asked because one was late
    denials_held: int = 0  # denials of a later upstream that waited for a better-placed one
    denials_believed: int = (
        0  # of these: sent to the client, for the better-placed one said nothing (ForwardLimits.precedence_s) or failed
    )
    wrong_replies: int = 0  # passed over: not to our question
    near_misses: int = 0  # replies with a wrong id
    doubtful: int = 0  # replies that only TCP could settle
    other_case: int = 0  # of these: the name came back in another case
    floods: int = 0  # sockets given up because of ForwardLimits.wrong_replies
    truncated: int = 0  # replies with TC
    unhelpful: int = 0  # SERVFAIL, REFUSED, NOTIMP, referrals
    without_edns: int = 0  # questions repeated without EDNS, which was rejected (FORMERR, NOTIMP, BADVERS) or never answered
    connections: int = 0  # streams opened
    connections_lost: int = 0  # streams that ended while a question was on them
    connections_doubted: int = (
        0  # streams on which nothing came (ForwardLimits.stream_silence_s): what waited there was asked on another
    )
    streams_full: int = 0  # questions that found every connection full (ForwardLimits.streams, stream_pipeline)
    local_errors: int = 0  # sockets that the system would not give us
    died: int = 0  # upstreams declared dead
    revived: int = 0
    probes: int = 0
    own: int = 0  # upstreams that were found to be ourselves
    loops: int = 0  # upstreams that were found to lead back to us
    loop_probes: int = 0  # questions asked to find that out

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in Statistics.__annotations__}
