"""Octets: a query sliced, a reply put together, names and RDATA between text and wire form.

    query.py                a query sliced: header, question, OPT and TSIG
    reply.py                a reply as a value, and its octets
    envelope.py             what stands around a reply's records: header, question, OPT record
    relay.py                an upstream's records behind our header, question and OPT record
    parse.py                an upstream's reply, record by record
    name_reader.py          the names of one message, decompressed within a bounded cost
    name.py                 names in wire form and as text
    compressed.py           records with compressed names
    edns.py                 EDNS(0): what a query asks for, and the OPT record of a reply
    cookie.py               DNS Cookies
    padding.py              padding of replies on encrypted transports
    tcp_frame.py            messages on a stream
    freshness.py            how long an HTTP cache may keep a reply
    constants.py            numbers of the IANA registries and their mnemonics
    rdata.py                RDATA that we make from services
    rdata_forms.py          whether RDATA from outside has the form of its type
    service_parameters.py   SvcParams of SVCB and HTTPS records, likewise
    presentation.py         RDATA that a person wrote → wire form
    tokens.py               the words of a zone file
    other_forms.py          what other programs print and dnspython does not read
    all_types.py            RDATA of every type ↔ text, by dnspython

Rules of the room: PURE; imports only `errors`; dnspython lives in `all_types.py` alone, and is loaded only for what a person wrote (a
zone file, `records:`) or wants to read, never for a query (ADR 0042). Names are octets in wire form, uncompressed; comparing is by
lower-cased octets, never by text (RFC 4343). Read first: `query.py`, then `reply.py`.
"""
