"""HTTP/2 as octets in, requests out; responses in, octets out (RFC 9113, by h2). Requests side by side, responses in any order."""

from __future__ import annotations

from contextlib import suppress

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from dnsdisco.server.doh import BODY_OCTETS_MAX, HEAD_OCTETS_MAX, Request, Response
from dnsdisco.server.http2_frames import Abuse, ENHANCE_YOUR_CALM, FRAME_OCTETS_MAX, Frames, PROTOCOL_ERROR

STREAMS_MAX = 100  # at once; RFC 9113 §6.5.2 advises no fewer, and clients assume it until they learn another
TABLE_OCTETS_MAX = 4096  # of headers that we index for the client, however many it allows: each is looked through
CLOSED_STREAMS_MAX = 128  # that are remembered, to distinguish a late frame from a wrong one


class _Connection(h2.connection.H2Connection):
    MAX_CLOSED_STREAMS = CLOSED_STREAMS_MAX
    DEFAULT_MAX_HEADER_LIST_SIZE = HEAD_OCTETS_MAX


class _Stream:
    """A request that is coming in, or a response that waits for room in the client's window."""

    __slots__ = ("began_at", "body", "content_type", "credit", "is_asked", "is_whole", "method", "rest", "target")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.method = self.target = self.content_type = b""
        self.body = bytearray()
        self.credit = 0  # octets of the window that it holds
        self.is_asked = False  # it has been handed out
        self.is_whole = False  # the client sends no more of it
        self.rest = b""  # of the response


class Http2:
    """`is_over`: nothing more will be asked here. `has_more`: digest() finds something in what has been received."""

    def __init__(self) -> None:
        self._h2 = _Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_OCTETS_MAX,
                h2.settings.SettingCodes.MAX_FRAME_SIZE: FRAME_OCTETS_MAX,
            },
        )
        self._h2.initiate_connection()
        self._frames = Frames()
        self._streams: dict[int, _Stream] = {}
        self._now = 0.0
        self._frame_at: float | None = None  # when a frame or header block began that is not whole
        self.is_over = False
        self.is_dead = False  # nothing can be answered any more
        self.fault = ""  # why, as a counter

    @property
    def has_more(self) -> bool:
        return not self.is_over and self._frames.has_more

    @property
    def is_between_requests(self) -> bool:
        return not self._streams and self._frames.is_between

    @property
    def is_sated(self) -> bool:
        """Never: every frame is taken as it comes, and its windows bound what a client may send."""
        return False

    @property
    def begun_at(self) -> float | None:
        """The instant at which the oldest unfinished request or frame began."""
        times = [stream.began_at for stream in self._streams.values() if not stream.is_asked]
        if self._frame_at is not None and not self._frames.has_more:
            times.append(self._frame_at)
        return min(times, default=None)

    @property
    def stuck_octets(self) -> int:
        """The octets of responses that the client's windows hold back."""
        return sum(len(stream.rest) for stream in self._streams.values())

    def receive(self, octets: bytes, now: float) -> None:
        self._now = now
        if not self.is_over:
            self._frames.receive(octets)
            if self._frame_at is None:
                self._frame_at = now

    def digest(self) -> Request | None:
        """One frame of what has been received: a request, once one is whole. Never raises for what is in it."""
        try:
            events = self._h2.receive_data(self._frames.take())
        except Abuse as abuse:
            self._end(abuse.code, "abuse" if abuse.code == ENHANCE_YOUR_CALM else "malformed")
            return None
        except h2.exceptions.ProtocolError:  # what it says about that is in its data to send
            self.is_over = self.is_dead = True
            self.fault = "malformed"
            return None
        except Exception:  # noqa: BLE001  whatever it was, it came from outside and ends what it came on
            self._end(PROTOCOL_ERROR, "malformed")
            return None
        if self._frames.is_between:
            self._frame_at = None
        elif not self._frames.is_in_head:
            self._frame_at = self._now  # another one
        found: Request | None = None
        for event in events:
            found = self._take(event) or found  # a frame ends one request at most
        return found

    def answer(self, stream: int, response: Response) -> None:
        """*stream*: that of the request. Nothing happens when the client has given it up."""
        waiting = self._streams.get(stream)
        if waiting is None:
            return
        headers = [(b":status", b"%d" % response.status), *response.headers]
        has_body = bool(response.body) and waiting.method != b"HEAD"
        try:
            self._h2.send_headers(stream, headers, end_stream=not has_body)
        except h2.exceptions.ProtocolError:
            self._forget(stream)
            return
        waiting.rest = response.body if has_body else b""
        self._pour(stream, waiting)

    def overdue(self, now: float, seconds: float) -> Request | None:
        """A request that has been coming in for longer, as one that is refused. A frame that long ends the connection."""
        if self._frame_at is not None and now - self._frame_at > seconds and not self._frames.has_more:
            self._end(PROTOCOL_ERROR, "slow")
            return None
        for number, stream in self._streams.items():
            if not stream.is_asked and now - stream.began_at > seconds:
                stream.is_asked = True
                return Request(number, b"", b"", status=408)
        return None

    def end_of_input(self) -> None:
        """Drop unfinished requests: the rest of them will not come."""
        self._frame_at = None
        for number in [number for number, stream in self._streams.items() if not stream.is_asked]:
            self._forget(number)
        self.is_over = True

    def outgoing(self) -> bytes:
        return self._h2.data_to_send()

    def goodbye(self) -> bytes:
        if not self.is_dead:  # else it has been said
            self.is_over = self.is_dead = True
            with suppress(h2.exceptions.ProtocolError):
                self._h2.close_connection()
        return self._h2.data_to_send()

    # events

    def _take(self, event: h2.events.Event) -> Request | None:
        match event:
            case h2.events.RequestReceived():
                self._begin(event)
            case h2.events.DataReceived():
                return self._add(event)
            case h2.events.StreamEnded():
                return self._whole(event.stream_id)
            case h2.events.StreamReset():
                self._forget(event.stream_id, is_given_up=True)
            case h2.events.WindowUpdated():
                self._pour_all()
            case h2.events.RemoteSettingsChanged():
                self._h2.encoder.header_table_size = min(self._h2.encoder.header_table_size, TABLE_OCTETS_MAX)
                self._pour_all()
            case h2.events.ConnectionTerminated():
                self.is_over = True
            case _:
                pass
        return None

    def _begin(self, event: h2.events.RequestReceived) -> None:
        stream = self._streams[event.stream_id] = _Stream(self._now)
        for name, value in event.headers or ():
            if name == b":method":
                stream.method = bytes(value)
            elif name == b":path":
                stream.target = bytes(value)
            elif name == b"content-type":
                stream.content_type = bytes(value)

    def _add(self, event: h2.events.DataReceived) -> Request | None:
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.is_asked:  # refused already
            self._give_back(event.flow_controlled_length or 0, event.stream_id)
            return None
        stream.credit += event.flow_controlled_length or 0
        stream.body += event.data or b""
        if len(stream.body) > BODY_OCTETS_MAX:
            stream.is_asked = True
            self._release(event.stream_id, stream)
            return Request(event.stream_id, stream.method, stream.target, status=413)
        return None

    def _whole(self, number: int) -> Request | None:
        stream = self._streams.get(number)
        if stream is None:
            return None
        stream.is_whole = True
        if stream.is_asked:
            return None
        stream.is_asked = True
        body = bytes(stream.body)
        self._release(number, stream)
        return Request(number, stream.method, stream.target, stream.content_type, body)

    # windows

    def _release(self, number: int, stream: _Stream) -> None:
        """Let the client send as much as this request has held: only now, so that all half-done ones together have one window."""
        stream.body.clear()
        credit, stream.credit = stream.credit, 0
        self._give_back(credit, number)

    def _give_back(self, octets: int, number: int) -> None:
        if octets:
            with suppress(h2.exceptions.ProtocolError, KeyError):
                self._h2.acknowledge_received_data(octets, number)

    def _pour_all(self) -> None:
        for number, stream in tuple(self._streams.items()):
            if stream.rest:
                self._pour(number, stream)

    def _pour(self, number: int, stream: _Stream) -> None:
        """Send as much of the response as the client's windows have room for."""
        try:
            while stream.rest:
                room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
                if room <= 0:
                    return
                part, stream.rest = stream.rest[:room], stream.rest[room:]
                self._h2.send_data(number, part, end_stream=not stream.rest)
        except h2.exceptions.ProtocolError:
            pass
        self._forget(number)

    def _forget(self, number: int, *, is_given_up: bool = False) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        self._release(number, stream)
        if not (stream.is_whole or is_given_up):
            with suppress(h2.exceptions.ProtocolError):  # the client is still sending what nobody waits for (RFC 9113 §8.1)
                self._h2.reset_stream(number, h2.errors.ErrorCodes.NO_ERROR)

    def _end(self, code: int, fault: str) -> None:
        self.is_over = self.is_dead = True
        self.fault = fault
        with suppress(h2.exceptions.ProtocolError):
            self._h2.close_connection(error_code=code)
