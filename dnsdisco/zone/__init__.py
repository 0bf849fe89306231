"""Our own names: which of them exist, and which records they have.

    catalog.py    a worker's replica of what control publishes, by name and by address
    below.py      the names right below a service's name
    lookup.py     what a name stands for: a value of a closed union
    render.py     instances → addresses, SRV, TXT
    records.py    the extra records of zone files
    master.py     zone files (master files) read
    reverse.py    reverse names ↔ addresses
    soa.py        SOA and NS of a zone, and the SOA of a negative answer
    settings.py   what the configuration says about our zones

Rules of the room: PURE; imports `errors`, `model`, `wire`. Labels are octets in lower case, leftmost first. NODATA and NXDOMAIN are
results, never exceptions. Read first: `catalog.py`, `lookup.py`.
"""
