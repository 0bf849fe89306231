"""Where services come from: one file or folder a provider, and the contract that they all keep.

    base.py              the contract of a provider
    traits.py            the declarations of a provider
    local_source.py      a provider's sources on this machine, for `dnsdisco check`
    registry.py          finds providers by name, and builds them from their settings
    env/                 the env provider: environment variables
    static/              the static provider: a services file
    consul/              the consul provider
    kubernetes/          the kubernetes provider
  For the library:
    combined.py          several providers as one
    cached.py            providers' results, kept for a few seconds
    guarded.py           turns whatever a provider raises into ProviderError
    seed_form.py         classes of the older form
    own_url.py           classes with a get_service_url() of their own
  For every provider:
    file_state.py        a file watched by asking for its state
    open_writers.py      whether a program that has changed a file still has it open
    endpoint.py          the address of a backend that speaks HTTP
    http.py              one HTTP connection with deadlines and bounds
    values.py            bounds for what a backend returns
    forked.py            locks and connections that a forked child makes anew
    log.py               the logger of the room

Rules of the room: a backend's words stop at its file; no provider imports another; imports only `errors`, `settings`, `written`,
`sockaddr` and `model`. Client libraries are imported inside the file that needs them, when it is used. Read first: `base.py`, then `env/provider.py`.
"""
