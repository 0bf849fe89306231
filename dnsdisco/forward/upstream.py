"""One upstream: its address, what is known of it, its connections. One object for an address, whichever routes name it."""

from __future__ import annotations

import logging
import socket
import ssl

from dnsdisco import sockaddr
from dnsdisco.forward.context import Context
from dnsdisco.forward.health import UpstreamHealth
from dnsdisco.forward.https import HttpsPool
from dnsdisco.forward.stream import StreamPool
from dnsdisco.wire import name
from dnsdisco.written.endpoints import UpstreamAddress

log = logging.getLogger("dnsdisco.forward")

PLAIN_STREAK = 3  # questions in a row that it did not take with EDNS and answered without: it does not know EDNS …
PLAIN_S = 300.0  # … and is asked without for this long, which saves a round trip each time
FOLDED_STREAK = 3  # replies in a row with the name in another case: it does not keep the case (or an attacker guesses well) …
FOLDED_S = 300.0  # … and is asked in the client's own for this long, which saves a connection each time


class Upstream:
    def __init__(
        self, address: UpstreamAddress, context: Context, tls: ssl.SSLContext | None, https: HttpsPool | None = None
    ) -> None:
        self.address = address
        self._place = None if address.is_by_name or "%" in address.host else sockaddr.of(address.host, address.port)
        self.is_encrypted = address.transport != "udp"
        self.https = https  # None: by the other transports
        self.health = UpstreamHealth(context.limits)
        self.streams = StreamPool(address, context, tls)
        self.answered = b""  # the question that it answered last
        self.own_reason = ""  # why it is ourselves, and therefore never asked
        self.looping: set[bytes] = set()  # zones (lower-cased wire form) for which it leads back to us, and is not asked now
        self._context = context
        self._plain_streak = self._folded_streak = 0
        self._plain_until = self._folded_until = float("-inf")
        self.is_case_random = False  # as written in the configuration
        self.zones: tuple[bytes, ...] = ()  # for whose names it was written (lower-cased wire form)
        self.asked = self.failed_questions = 0  # also by questions of our own; of these: without an answer that could be used
        self.last_error, self._erred_at = "", float("-inf")

    def __str__(self) -> str:
        return str(self.address)

    @property
    def place(self) -> tuple[socket.AddressFamily, sockaddr.Address]:
        """Family and socket address to send to. Raises OSError when its interface is not there."""
        return self._place or sockaddr.of(self.address.host, self.address.port)

    def retire(self) -> None:
        """It is no longer an upstream; what is on its way ends as it began."""
        self.streams.retire()
        if self.https is not None:
            self.https.retire()

    async def close(self) -> None:
        self.streams.close()
        if self.https is not None:
            await self.https.close()

    def knows_edns(self, now: float) -> bool:
        return now >= self._plain_until

    def answered_without_edns(self, now: float) -> None:
        """A question was fine without EDNS that was rejected, or never answered, with it."""
        self._plain_streak += 1
        if self._plain_streak >= PLAIN_STREAK:
            self._plain_streak, self._plain_until = 0, now + PLAIN_S

    def answered_with_edns(self) -> None:
        self._plain_streak = 0

    def mixes_case(self, now: float) -> bool:
        """The case of a name in a datagram to it is chance."""
        return self.is_case_random and now >= self._folded_until

    def changed_case(self, now: float) -> None:
        self._folded_streak += 1
        if self.is_case_random and self._folded_streak >= FOLDED_STREAK:
            self._folded_streak, self._folded_until = 0, now + FOLDED_S
            log.info("upstream %s does not keep the case of names: asked without case_randomisation for %d s", self, FOLDED_S)

    def kept_case(self) -> None:
        self._folded_streak = 0

    def replied(self, now: float, took_s: float | None = None) -> None:
        if self.health.replied(now, took_s):
            self._context.statistics.revived += 1
            log.info("upstream %s answers again", self)

    def failed(self, asked_at: float, reason: str) -> None:
        if self.health.failed(asked_at):
            self._context.statistics.died += 1
            log.warning("upstream %s does not answer (%s)", self, reason)

    def gave_nothing(self, now: float, reason: str) -> None:
        """A question to it has ended without an answer that could be used."""
        self.failed_questions += 1
        self.last_error, self._erred_at = reason, now

    def said_nothing(self, since: float) -> None:
        """It has been silent *since* then, for longer than it may."""
        if self.health.said_nothing(since):
            self._context.statistics.died += 1
            log.warning("upstream %s does not answer: it is asked last until it does", self)

    def describe(self) -> dict[str, object]:
        """Its state as JSON, for pages and metrics."""
        return {
            "address": str(self.address),
            "state": "own" if self.own_reason else "loop" if self.looping else "dead" if self.health.is_dead else "up",
            "rtt_ms": round(self.health.smoothed_s * 1000, 3),
            "failures": self.health.failures,
            "zones": [name.to_text(zone) for zone in self.zones],
            "asked": self.asked,
            "failed": self.failed_questions,
            "last_error": self.last_error,
            "error_age_s": round(self._context.now() - self._erred_at, 3) if self.last_error else 0,
        }
