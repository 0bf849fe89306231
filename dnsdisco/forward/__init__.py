"""Asking upstream resolvers: one question in, the upstream's whole reply out.

    forwarder.py        the entrance of the room: which exchange a question joins, which upstreams it may use
    exchange.py         one question on its way: which upstream is asked when, which reply is believed
    attempt.py          one upstream asked once
    message.py          the message that is sent, and the judgement of what comes back
    stream.py           kept connections over TCP and TLS
    https.py            DNS over HTTPS
    start_queue.py      questions wait here: a few are sent in each turn of the loop
    deadlines.py        timers
    poller.py           which of many sockets can be read
    context.py          shared by the whole room: the loop, the clock, the bounds, the counters
    limits.py           the bounds
    statistics.py       the counters
  Upstreams:
    upstream_table.py   written addresses → the upstreams that may be asked
    resolv_conf.py      a resolv.conf, read again when it changes
    bootstrap.py        the addresses of an upstream that was written by name
    routes.py           which upstreams a name goes to
    upstream.py         one upstream: its address, its health, its connections
    health.py           how quick an upstream is, and whether it is there
    pulse.py            asks an upstream that has not answered whether it is there
    own_addresses.py    whether an upstream is this server itself
    loops.py            upstreams that lead back to this server
    probe_names.py      the names by which this server knows its own questions

Enters: a question as the client spelled it, the RD, AD and CD bits, DO. Leaves: a reply whose question is proven to be that one, or
UpstreamError. Nothing is decoded and nothing is kept: the records pass as octets, and what may be sent to a client is decided in
`answer`. The room does I/O (sockets, timers and tasks of the running event loop); `message`, `mark`, `health` and `routes` do not.

The rules (docs/forwarding.md has them for users):
- Every question goes out from a fresh connected UDP socket with an id from the system's CSPRNG. A datagram that does not match is
  counted, and the wait goes on. A sign of forgery (a wrong id, a changed case, records that cannot be read) is settled over TCP, where
  nobody can guess.
- Upstreams are asked in the order they were written, those that are known to be silent last (`pulse.py`). Where one does not answer in
  time, the next is asked as well: its answer is used, its denial only when the better-placed one has had its time.
- Every question ends within `ForwardLimits.deadline_s`, and at most `pending` questions are on their way.
- A forwarding loop delays no client: equal questions share one exchange, so a question that comes back to us asks nothing anew; and an
  upstream that leads back to us is found by asking it for a name that only we can know, and left out (`loops.py`).
- Our own names are answered between two turns: questions begin a few in each (`start_queue.py`).

Read first: `forwarder.py`, then `exchange.py`.
"""
