"""What is counted of each upstream: asked, failed, the last error, and for whose names."""

from __future__ import annotations

from contextlib import suppress

import pytest

from dnsdisco.errors import UpstreamError
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.wire.constants import RD
from tests.forward.forwarding import run
from tests.forward.upstream import BlackHole, free_port, question, rcode, ScriptedUpstream, truncated


async def told(forwarder, names=("a.test.",)):
    """What is known of each upstream when these have been asked, and what the statistics say."""
    for name in names:
        with suppress(UpstreamError):
            await forwarder.exchange(question(name), flags=RD, dnssec_ok=False)
    return forwarder.describe(), forwarder.figures()


def of(lines, address):
    return next(line for line in lines if line["address"] == address)


def test_what_is_answered_is_asked_and_has_not_failed():
    with ScriptedUpstream() as upstream:
        lines, figures = run(lambda forwarder: told(forwarder, ["a.test.", "b.test.", "c.test."]), upstream.address)
    line = of(lines, upstream.address)
    assert (line["asked"], line["failed"], line["last_error"], line["zones"], line["state"]) == (3, 0, "", ["."], "up")
    assert line["rtt_ms"] > 0
    assert figures[f"upstream_asked.{upstream.address}"] == 3
    assert figures[f"upstream_failed.{upstream.address}"] == 0


@pytest.mark.parametrize(("code", "error"), [(2, "SERVFAIL"), (5, "REFUSED")])
def test_an_answer_that_is_of_no_use_has_failed(code, error):
    with ScriptedUpstream() as upstream, ScriptedUpstream() as second:
        upstream.on("*", rcode(code))
        lines, _ = run(told, upstream.address, second.address)
    line = of(lines, upstream.address)
    assert (line["asked"], line["failed"], line["last_error"]) == (1, 1, error)
    assert line["error_age_s"] >= 0
    assert of(lines, second.address)["failed"] == 0


def test_a_port_where_nobody_listens_has_failed_each_time():
    address = f"127.0.0.1:{free_port()}"
    lines, _ = run(lambda forwarder: told(forwarder, ["a.test.", "b.test."]), address)
    line = of(lines, address)
    assert (line["asked"], line["failed"], line["state"]) == (2, 2, "up")
    assert line["last_error"] == "Connection refused"


def test_silence_has_failed_once_the_question_ends():
    with BlackHole() as hole:
        lines, _ = run(told, hole.address, limits=ForwardLimits(deadline_s=0.4))
    line = of(lines, hole.address)
    assert line["failed"] == 1
    assert line["last_error"] == "no answer in time"


def test_a_late_one_has_not_failed_because_another_was_quicker():
    with BlackHole() as hole, ScriptedUpstream() as second:
        lines, _ = run(told, hole.address, second.address)
    assert of(lines, hole.address)["failed"] == 0
    assert of(lines, second.address)["asked"] == 1


def test_an_answer_that_comes_over_tcp_is_asked_twice_and_has_not_failed():
    with ScriptedUpstream(has_tcp=True) as upstream:
        upstream.on(lambda asked: asked.transport == "udp", truncated)
        lines, _ = run(told, upstream.address)
    line = of(lines, upstream.address)
    assert (line["asked"], line["failed"]) == (2, 0)
