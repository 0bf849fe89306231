"""The control process: providers in threads → views → merge → messages to every worker.

    run.py         the composition: one event loop that owns all that is published; signals, readiness, reload
    watcher.py     one provider's thread: watch(), back-off, pace;  backoff.py, views.py (what it yields → Snapshot)
    chain.py       the providers in their order: contact (contact.py), removal guard (guard.py), merge
    checks.py      health checks and the views: whom to ask, and results laid over;  prober.py (when), probing.py (how)
    publisher.py   serial + 1, delta or whole, to each worker's link (link.py);  serials.py
    records.py     `records:` of a service → wire form;  zonefiles.py: the same from master files
    memory.py      what outlives the process: keeper.py (the thread), stored_view.py (the file), stored_service.py (its lines)
    overview.py    what it all knows, for those who ask: values of view.py;  provenance.py;  counters.py: what the workers count
    status.py      what the supervisor is told;  log.py: what a person is told

Rules of the room: imports `errors`, `model`, `providers`, `config`, `wire`, `zone`. Provider threads only hand over values; the loop's
thread alone merges and publishes, so nothing here is locked. No provider, hung or raging, can stop another one or the loop.
Nothing in this process can cost a DNS answer. Read first: `run.py`, then docs/life-of-a-change.md.
"""
