"""Our own names: what exists (`catalog`, `lookup`), and which records it has (`render`, `soa`, `reverse`, `master`).

Rules of the room: PURE; imports `errors`, `model`, `wire`. Labels are octets in lower case, leftmost first. What a lookup finds is
a value of a closed union (`lookup.py`); NODATA and NXDOMAIN are results, never exceptions. Read first: `catalog.py`, `lookup.py`.
"""
