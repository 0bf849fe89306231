"""The control process: providers in threads → views → merge → messages to every worker.

    __main__.py        `python -m dnsdisco.control FD`: the entry point
    run.py             the composition: one event loop that owns all that is published; signals, readiness, reload
    parameters.py      the parameters of the process at its start
    turns.py           gives the processor to a worker that waits for it
  Providers:
    watcher.py         one provider's thread: watch(), back-off, pace
    backoff.py         how long a backend is left alone after a failure
    reading.py         what a provider yields → Snapshot
    provider_set.py    the providers in their order, and the catalog that they make together
    contact.py         whether a provider is there, and what its answers say of that
    guard.py           holds mass disappearance back until it is confirmed
    checks.py          health checks and the views: which instances are asked, and their results laid over
    prober.py          when each check runs
    probing.py         one check: connect, ask, read one line
    records.py         `records:` of a service → wire form
    zonefiles.py       the same from zone files
  What workers get:
    asked_workers.py   what is asked of the workers for people
    query_log.py       the queries, for people who look at them
    explanations.py    why a name gets its answer
    flushes.py         answers that workers are asked to forget
    publisher.py       serial + 1, a delta or the whole, to each worker
    worker_link.py     control's end of the link to one worker
    serials.py         the catalog's serial
    presence.py        addresses of `listen` that this machine does not have yet
    certificate.py     whether the certificate of encrypted listeners can be used
  What outlives the process:
    state_folder.py    the state_dir: views, and the bound of the serials
    view_store.py      the last good views, kept as they come and used at a start
    view_writer.py     the thread that writes them
    stored_view.py     the file of one view
    journal.py         the last whole catalog, in memory that the supervisor holds
    handover.py        what the next control process knows of this one
  What is reported:
    asked.py           a question from another thread, answered in the loop's
    overview.py        what control knows, as values
    facts.py           the classes of those values
    condition.py       what the server lacks, and since when
    upstreams.py       what all workers together know of each upstream
    provenance.py      since when each service is what it is
    counters.py        what all workers have counted together
    statistics.py      what SIGUSR1 logs
    status.py          what is reported to the supervisor
    log.py             how control logs

Rules of the room: imports every room but `forward`, `server`, `answer`, `cache` and `admin`. Provider threads only hand over values; the
loop's thread alone merges and publishes, so nothing here is locked. No provider, hung or raging, can stop another provider or the loop.
Nothing in this process can cost a DNS answer. Read first: `run.py`, then docs/life-of-a-change.md.
"""
