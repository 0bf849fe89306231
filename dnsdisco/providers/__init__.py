"""Where services come from: one file a provider, `base.py` the whole contract, `registry.py` finds and builds them.

Rules of the room: a backend's words stop at its file; nobody imports another provider; imports only `errors`, `written` and
`model`. Provider libraries are imported inside the file that needs them, when it is used. Read first: `base.py`, then `env.py`.
"""
