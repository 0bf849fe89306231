"""What upstreams said, kept for as long as they allow: octets in, the same octets with less TTL out.

Rules of the room: PURE; imports only `errors`; time is the argument `now` (monotonic seconds), every bound a constructor argument. It
believes nothing and reads no message: what enters has been sifted by `answer/resolver_reply.py`, keys are made by
`answer/resolver.py`. Bounded by entries and by octets. Read first: `cache.py`, then `entry.py`.
"""
