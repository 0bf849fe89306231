"""HTTP/1.1 as octets in, requests out; responses in, octets out (RFC 9112, by h11). One request after another."""

from __future__ import annotations

import h11

from dnsdisco.server.doh import BODY_OCTETS_MAX, HEAD_OCTETS_MAX, Request, Response

_ONLY = 0  # the one stream


class Http1:
    """`is_over`: nothing more will be asked here. `has_more`: digest() may find something in what has been received."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_OCTETS_MAX)
        self._out = bytearray()
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._is_asked = False  # a request has been handed out and not been answered
        self._began_at: float | None = None
        self.has_more = False
        self.is_over = False
        self.is_dead = False  # nothing can be answered any more: never so here
        self.fault = ""  # why, as a counter: never so here

    @property
    def is_between_requests(self) -> bool:
        return self._began_at is None and not self._is_asked

    @property
    def is_sated(self) -> bool:
        """More octets would only pile up: the next request is taken when this one is answered."""
        return self._is_asked

    @property
    def begun_at(self) -> float | None:
        """The instant at which the unfinished request began."""
        return self._began_at

    @property
    def stuck_octets(self) -> int:
        """The octets of responses that the client's windows hold back: none, since HTTP/1.1 has no windows."""
        return 0

    def receive(self, octets: bytes, now: float) -> None:
        if self.is_over:
            return
        self._h11.receive_data(octets)
        self.has_more = not self._is_asked
        if self._began_at is None and not self._is_asked:
            self._began_at = now

    def digest(self) -> Request | None:
        """One step through what has been received: a request, once one is whole. Never raises for what is in it."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            return self._refuse(error.error_status_hint)
        match event:
            case h11.NEED_DATA | h11.PAUSED:
                self.has_more = False
                if self._h11.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                if self._request is None and not self._h11.trailing_data[0]:
                    self._began_at = None  # a blank line between two requests began nothing
            case h11.Request():
                self._request = event
                self._body.clear()
                if event.http_version not in (b"1.0", b"1.1"):
                    return self._refuse(505)
            case h11.Data():
                self._body += event.data
                if len(self._body) > BODY_OCTETS_MAX:
                    return self._refuse(413)
            case h11.EndOfMessage() if self._request is not None:
                return self._whole(self._request)
            case _:  # ConnectionClosed
                self.has_more = False
                self.is_over = True
        return None

    def answer(self, stream: int, response: Response) -> None:
        """*stream*: that of the request."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = list(response.headers)
        if self.is_over:
            headers.append((b"connection", b"close"))
        self._send(h11.Response(status_code=response.status, headers=headers))
        if self._request is None or self._request.method != b"HEAD":
            self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())
        self._is_asked = False
        if not self.is_over and {self._h11.our_state, self._h11.their_state} == {h11.DONE}:
            self._h11.start_next_cycle()
            self._request = None
            self.has_more = bool(self._h11.trailing_data[0])
        else:
            self.is_over = True

    def overdue(self, now: float, seconds: float) -> Request | None:
        """A request that has been coming in for longer, as one that is refused."""
        if self._began_at is None or now - self._began_at <= seconds or self.is_over:
            return None
        return self._refuse(408)

    def end_of_input(self) -> None:
        self._began_at = None
        self.has_more = False
        if not self._is_asked:
            self.is_over = True

    def outgoing(self) -> bytes:
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def goodbye(self) -> bytes:
        return b""

    def _whole(self, request: h11.Request) -> Request:
        content_type = next((value for name, value in request.headers if name == b"content-type"), b"")
        self._is_asked, self._began_at = True, None
        self.has_more = False  # not before this one is answered
        return Request(_ONLY, request.method, request.target, content_type, bytes(self._body))

    def _refuse(self, status: int) -> Request:
        """Refuse the request and end: the start of the next one cannot be found safely."""
        self.is_over = self._is_asked = True
        self.has_more, self._began_at = False, None
        return Request(_ONLY, b"", b"", status=status)

    def _send(self, event: h11.Response | h11.InformationalResponse | h11.Data | h11.EndOfMessage) -> None:
        octets = self._h11.send(event)
        if octets:
            self._out += octets
