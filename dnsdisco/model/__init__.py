"""The nouns: what a provider knows (a Snapshot of Services), what is published (an Entry), and how one becomes the other.

    service.py         a service and its instances: the one form that every provider maps to
    service_data.py    service data as people, files and plug-ins write it ↔ Service
    fields.py          the smaller parts of service data: ports, tags, meta, health, times, checks, extra records
    instances.py       one entry of `instances:`
    address.py         addresses, host names and URLs in service data
    probe_target.py    what a health check may ask, and of which address
    nested_faults.py   every fault inside one value of the service data, each at its own place
    public.py          the part of service data that everybody may read
    library_dict.py    a Service as the dict that the library returns
    choice.py          which instances a client is sent to, in which order
    turns.py           work that leaves others their turn
    names.py           raw names become DNS labels
    identity.py        what a service is called: name, namespace, aliases
    claims.py          the members of the chain, its policy, and the names that each service asks for
    merge.py           the views of several providers become one catalog
    readings.py        `x.y` as a service in a namespace, or as a name below a service
    diff.py            the difference between two views
    entry.py           what control publishes and every worker holds
    rules.py           rules for plain values
    plain.py           the plain form of both, for the link and for the disk
    unread.py          services of a whole catalog that are read when they are first asked for
    delta.py           the messages between control and a worker
    journal.py         how the last whole catalog is kept in memory that outlives a child
    certificate.py     when a certificate is valid

Rules of the room: pure values and functions; no clocks, no I/O; imports only `errors` and `written`. Everything is immutable, so an
unchanged service can be shared by identity and a reader needs no lock. Text is ASCII `str` here; the zone room turns it into octets.
Read first: `service.py`.
"""
