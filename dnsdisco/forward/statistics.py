"""The counters of the forwarder since it was made. Plain ints, written by one thread."""

from __future__ import annotations

from typing import Annotated

from dnsdisco.counted import Counted, Labelled, Level

ASKED = Labelled(
    "upstream_asked",
    "forward_upstream_asked_total",
    "address",
    "Questions sent to each upstream, also those that look whether it is there.",
)
FAILED = Labelled("upstream_failed", "forward_upstream_failed_total", "address", "Of these: without an answer that could be used.")
BY_LABEL = (ASKED, FAILED)


class ForwardStatistics(Counted, names="forward.", metrics="forward_"):
    pending: Annotated[int, Level("Different questions on their way to upstreams.", metric="forward_pending_queries")] = 0
    questions: Annotated[int, "Exchanges with upstreams that were begun."] = 0
    shared: Annotated[int, "Questions that joined an exchange that was on its way."] = 0
    shed: Annotated[int, "Questions refused because too many were on their way."] = 0
    shed_dead: Annotated[int, "Of the refused ones: every upstream is dead, and some were waiting already."] = 0
    jostled: Annotated[int, "Questions ended early, to make room for newer ones."] = 0
    failed: Annotated[int, "Exchanges that ended without a usable reply."] = 0
    deadline: Annotated[int, "Of the failed ones: no upstream answered in time."] = 0
    sent_udp: Annotated[int, "Datagrams sent to upstreams, repeats included."] = 0
    sent_stream: Annotated[int, "Questions sent to upstreams over TCP or TLS."] = 0
    repeats: Annotated[int, "Datagrams sent again because no reply came."] = 0
    hedged: Annotated[int, "Times the next upstream was asked because one was late."] = 0
    denials_held: Annotated[int, "Denials of a later upstream that waited for a better-placed one."] = 0
    denials_believed: Annotated[
        int, "Denials of a later upstream that were sent, because the better-placed one was silent or failed."
    ] = 0
    wrong_replies: Annotated[int, "Datagrams passed over: no reply to our question."] = 0
    near_misses: Annotated[int, "Replies with a wrong id: somebody may be guessing."] = 0
    doubtful: Annotated[int, "Replies that only TCP could settle."] = 0
    other_case: Annotated[int, "Of the doubtful ones: the name came back in another case."] = 0
    floods: Annotated[int, "Sockets given up because of too many wrong replies."] = 0
    truncated: Annotated[int, "Replies with TC."] = 0
    unhelpful: Annotated[int, "Replies with SERVFAIL or REFUSED, and referrals."] = 0
    without_edns: Annotated[int, "Questions repeated without EDNS, which was rejected or never answered."] = 0
    connections: Annotated[int, "TCP and TLS connections opened to upstreams."] = 0
    connections_lost: Annotated[int, "Of these: ended while a question was on them."] = 0
    connections_doubted: Annotated[int, "Of these: silent while a question was on them, which was asked on another one."] = 0
    streams_full: Annotated[int, "Questions that found every connection full."] = 0
    local_errors: Annotated[int, "Sockets that the system would not give."] = 0
    died: Annotated[int, "Upstreams declared dead."] = 0
    revived: Annotated[int, "Upstreams that came back."] = 0
    probes: Annotated[int, "Questions asked to see whether an upstream is there."] = 0
    own: Annotated[int, "Upstreams that were found to be this server itself."] = 0
    loops: Annotated[int, "Upstreams that were found to lead back to this server."] = 0
    loop_probes: Annotated[int, "Questions asked to find that out."] = 0
