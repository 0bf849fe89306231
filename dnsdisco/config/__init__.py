"""What a person wrote, checked and made whole: flags > environment > file > defaults.

    sources.py     `resolve(Source(...)) -> Settings`, or ConfigError with every fault at once
    reading.py     what was written against what is declared in `settings`: canonical values, every fault
    entries.py     an entry of `providers`, and what is asked of the providers for it
    values.py      paths and packages of this machine
    providers.py   which providers are asked, in which order
    encrypted.py   what encrypted listeners need beside their line
    octets.py      a file as octets: bounded, and not a stranger's
    load.py        the file → plain values, and the line and column of each
    faults.py      what is wrong, in the words of the file
    client_defaults.py      the two settings that a client on this machine needs, read without the rest

Rules of the room: imports only `errors`, `settings` (what can be set), `written` and `model`; knows no provider by its code (what it asks of them
is an argument); opens nothing but the configuration file. `load` and `glance` import no socket, so that a
small command starts quickly. Read first: `sources.py`, then `reading.py`.
"""
