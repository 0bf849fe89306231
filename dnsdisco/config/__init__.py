"""What a person wrote, checked and made whole: flags > environment > file > defaults.

    octets.py    a file as octets: bounded, and not a stranger's
    load.py      a YAML file → plain values, and the line and column of each
    schema.py    every key, its range and its default: `Settings`
    workers.py   which of them a worker process gets: no secret
    sources.py   `resolve(Source(...)) -> Settings`, or ConfigError with every fault at once

Rules of the room: imports only `errors`, `written` (how a single value is read) and `model`; knows no provider by its code (who detects them is an argument); opens nothing
but the configuration file. `load` and `glance` import neither pydantic nor a socket, so that a small command starts quickly.
Read first: `sources.py`, then `schema.py`.
"""
