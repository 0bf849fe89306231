"""Reads and checks the configuration that a person wrote: flags > environment > file > defaults.

    sources.py     `resolve(Source(...)) -> Settings`, or ConfigError with every fault at once
    reading.py     written values checked against the declarations in `settings`: canonical values, every fault
    entries.py     an entry of `providers`, and the questions to the providers about it
    values.py      paths and packages of this machine
    providers.py   which providers are asked, in which order
    encrypted.py   the needs of encrypted listeners: port, certificate, packages
    octets.py      a file as octets: bounded, and not a stranger's
    load.py        the file → plain values, and the line and column of each
    faults.py      faults, in the words of the file
    places.py      where state and control socket are when nobody says where
    client_defaults.py      the three settings that a client on this machine needs, read without the rest

Rules of the room: imports only `errors`, `settings` (what can be set), `written` and `model`; knows no provider by its code (the questions to
them are arguments); opens nothing but the configuration file. `load` and `glance` import no socket, so that a
small command starts quickly. Read first: `sources.py`, then `reading.py`.
"""
