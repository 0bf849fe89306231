"""The queries that the datagram loop answers by itself: the compiled answers, the clients that may have them, and the cookies at hand.

The responder fills it with the answers that it has just made the longer way. The loop reads `table.exact` directly, and calls find() for
the rest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from dnsdisco.answer.admit import Admission, ClientKey
from dnsdisco.answer.table import FIRST, Table, UNKNOWN
from dnsdisco.wire.cookie import CLIENT_OCTETS, COOKIE_OCTETS
from dnsdisco.wire.edns import COOKIE_HEAD_OCTETS, cookie_tail, OPT_TYPE, OPT_TYPE_AT, with_cookie
from dnsdisco.wire.reply import WITHOUT_EDNS
from dnsdisco.zone.catalog import Catalog

COOKIES_AT_HAND_MAX = 4096  # clients; as many as Cookies itself keeps
COOKIES_AT_HAND_S = 10.0  # a client's cookie is looked at anew so often, and is renewed so much late
ALONE_OCTETS = COOKIE_HEAD_OCTETS + CLIENT_OCTETS  # what ends a query with a client cookie and no other option
# A reply without EDNS fits every client, and so does this one with a cookie: the id stands before it.
_REPLY_OCTETS_MAX = WITHOUT_EDNS - 2 - COOKIE_HEAD_OCTETS - COOKIE_OCTETS

CookiesAtHand: TypeAlias = tuple[bytes, dict[ClientKey, bytes]]  # all that a cookie adds to a query; by client, to the reply
NOT_AT_HAND = (*UNKNOWN, False)


class FastPath:
    """The fast path of one worker. The loop reads its parts anew in every turn: a new configuration replaces `admission`."""

    def __init__(self, catalog: Catalog, admission: Admission) -> None:
        self.table = Table()
        self._exact = self.table.exact.get
        self.catalog = catalog
        self.admission = admission
        self.cookies_forgotten = 0  # times that all those at hand made room
        # By the last ALONE_OCTETS of a query.
        self.cookies: dict[bytes, CookiesAtHand] = {}
        self._cookies_at_hand, self._cookies_since = 0, 0.0
        self._clients_forgotten = self._networks_forgotten = 0  # by the admissions before this one

    def with_cookie(self, at_hand: CookiesAtHand, key: bytes, pick: int, client: ClientKey, is_open: bool) -> tuple[Any, ...]:  # noqa: FBT001  by name it would cost more
        """A cell and the reply to a query that ends as those of *at_hand* do, and whether it is free of the rate limit.

        *key*: the query behind its id. *is_open*: everything is. As UNKNOWN: the responder decides.
        """
        tail, cookies = at_hand
        cookie = cookies.get(client)
        if cookie is None:
            return NOT_AT_HAND
        plain = key.removesuffix(tail) + b"\0\0"  # with another tail of the same end, no query
        hit = self._exact(plain)
        if hit is not None:  # as Table.exactly() reads it
            cell, reply = hit[1], hit[(pick & hit[0]) + FIRST]
        else:
            cell, reply = self.table.find(plain, pick, self.catalog.top)
            if reply is None:
                return NOT_AT_HAND
        if len(reply) > _REPLY_OCTETS_MAX:
            return NOT_AT_HAND
        is_without_options = not reply[-1] and reply[OPT_TYPE_AT] == OPT_TYPE
        reply = reply[:-2] + cookie if is_without_options else with_cookie(reply, cookie)
        # A server cookie has proven the client's address, so it is not limited (RFC 7873 §5.2.4).
        return cell, reply, is_open or len(tail) > ALONE_OCTETS

    def keep_cookie(self, message: bytes, client: ClientKey, shown: bytes, given: bytes) -> None:
        """Give the cookie *given* to this *client*, which may ask, for every query that ends as *message* does: with the cookie *shown*
        and no other option. A server cookie has to be a good one; then what is given is the same."""
        tail = cookie_tail(shown)
        if len(shown) not in (CLIENT_OCTETS, COOKIE_OCTETS) or not given.startswith(shown) or not message.endswith(tail):
            return
        if self._cookies_at_hand >= COOKIES_AT_HAND_MAX:
            self.forget_cookies()
            self.cookies_forgotten += 1
        end = tail[-ALONE_OCTETS:]
        at_hand = self.cookies.get(end)
        if at_hand is None or at_hand[0] != tail:
            at_hand = self.cookies[end] = (tail, {})
        at_hand[1][client] = cookie_tail(given)
        self._cookies_at_hand += 1

    def forget_cookies(self) -> None:
        self.cookies.clear()
        self._cookies_at_hand = 0

    def look_at_cookies(self, unix: float) -> None:
        """Renews what depends on time; call it some times a second. *unix*: the time by which cookies age."""
        if not 0 <= unix - self._cookies_since < COOKIES_AT_HAND_S:
            self.forget_cookies()
            self._cookies_since = unix

    def admit(self, admission: Admission) -> None:
        """A new configuration: nothing holds that was known of clients, nor any answer."""
        self._clients_forgotten += self.admission.clients_forgotten
        self._networks_forgotten += self.admission.networks_forgotten
        self.admission = admission
        self.forget_cookies()
        self.table.clear()

    @property
    def forgotten(self) -> dict[str, int]:
        """How often a full table made room: one answer at a time, or all of them at once."""
        return {
            "answers": self.table.evictions,
            "denials": self.table.denials_forgotten,
            "cookies": self.cookies_forgotten,
            "clients": self._clients_forgotten + self.admission.clients_forgotten,
            "networks": self._networks_forgotten + self.admission.networks_forgotten,
        }
