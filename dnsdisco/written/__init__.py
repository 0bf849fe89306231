"""Reads what people write, by one function for every place where they may write it. A pure ground room: it imports `errors` alone.

    units.py       numbers and durations; how a wrong value is shown; "did you mean …?"
    names.py       DNS names and zones
    addresses.py   an IP address with its scope, an address with a port, networks
    endpoints.py   a listener and an upstream: addresses with a transport
    transports.py  the transports of listeners: ports, sockets, what each needs
    yaml.py        YAML text → plain data: the only reader of YAML
    places.py      the place of each value in a text
    syntax.py      octets → text, and the faults of a text, in plain words
    trust.py       whether a file that was only found may be used

A written value goes in, a canonical value comes out, which is read again unchanged. Every reader raises ValueError, whose text says what
was expected and what was found, on one line. The configuration file, the services file, the command line, the options of providers and
the variables of the environment are all read by these functions, so one text means the same in each of them.
"""
