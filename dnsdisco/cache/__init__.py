"""Upstreams' replies, kept for as long as they allow: octets in, the same octets with less TTL out.

    cache.py        the rules: what a key has, how long a reply and a failure hold
    entry.py        one kept reply, and how it grows older
    failures.py     failures that are remembered for a moment (RFC 9520)
    store.py        the table with two bounds, entries and octets
    limits.py       the bounds (`cache:`)
    statistics.py   the counters

Rules of the room: PURE; imports only `errors`; time is the argument `now` (monotonic seconds), every bound a constructor argument. It
believes nothing and reads no message: what enters has been sifted by `answer/believe.py`, keys are made by
`answer/cached_reply.py`. Read first: `cache.py`, then `entry.py`.
"""
