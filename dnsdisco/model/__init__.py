"""The nouns: what a provider knows (`snapshot`), what is published (`entry`), and how one becomes the other (`merge`).

Rules of the room: pure values and functions; no clocks, no I/O; imports only `errors` and `written`. Everything is immutable, so an unchanged
service can be shared by identity and a reader needs no lock. Text is ASCII `str` here; the zone room turns it into octets.
Read first: `service.py`.
"""
