"""What a person wrote, checked and made whole: flags > environment > file > defaults.

    sources.py     `resolve(Source(...)) -> Settings`, or ConfigError with every fault at once
    schema.py      every key, its range and its default: `Settings`
    values.py      the leaves of the schema, which `written` reads
    providers.py   which providers are asked, in which order
    encrypted.py   what encrypted listeners need beside their line
    workers.py     the part of the settings that a worker process gets: no secret
    octets.py      a file as octets: bounded, and not a stranger's
    load.py        the file → plain values, and the line and column of each
    faults.py      what the schema found wrong, in the words of the file
    client_defaults.py      the two settings that a client on this machine needs, read without the schema

Rules of the room: imports only `errors`, `written` (how YAML and a single value are read) and `model`; knows no provider by its code (which of them
are detected is an argument); opens nothing but the configuration file. `load` and `glance` import neither pydantic nor a socket, so that a
small command starts quickly. Read first: `sources.py`, then `schema.py`.
"""
