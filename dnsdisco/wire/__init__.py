"""Octets: a query sliced, a reply put together, names and RDATA between text and wire form.

Rules of the room: PURE; imports only `errors`; dnspython lives in `all_types.py` alone, and is loaded only for what a person wrote (a
master file, `records:`) or wants to read, never for a query (ADR 0040). Names are octets in wire form, uncompressed; comparing is by lower-cased
octets, never by text (RFC 4343). Read first: `query.py`, then `reply.py`.
"""
