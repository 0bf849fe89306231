"""The worker process: datagrams and streams in, replies out.

    __main__.py           `python -m dnsdisco.server FD`: the entry point
    run.py                the process: parameters in, and its end with the supervisor
    worker.py             a worker put together: sockets, responder, forwarder, link
    listeners.py          the sockets of a worker by their transport: how each is served
    late_sockets.py       sockets that the supervisor binds while this worker runs
    settings.py           the configuration as a worker uses it
    answer_policy.py      what a responder is made with
    log.py                how a worker logs
  A query:
    serve.py              the life of a query
    udp.py                the datagram loop
    batch.py              many datagrams by one system call
    one_by_one.py         the same by a system call each, where the system has no other
    miss_queue.py         queries that the table of compiled answers does not hold
    reply_sender.py       a client that waits, and a reply encoded, counted and sent
    hints.py              what may have been meant by a name that is not there
    explain.py            why a name gets the answer that it gets
    long_answers.py       answers that take longer than a turn of the loop should
    resolve.py            names of others, and addresses that our own answers lack
    cached_upstream.py    from the cache, else from an upstream
    recorder.py           the queries as they are answered, for people who look
    recorded_batch.py     a batch whose replies are looked at
    latency.py            how long answers take
    statistics.py         what a worker counts beside its cache and its forwarder: the declarations
  Streams:
    tcp.py                listening sockets, and which connections may stay
    tcp_connection.py     one client's TCP connection
    tcp_limits.py         the bounds of the TCP side
    connection.py         what a connection is to its server and to its stream
    stream.py             one client's socket as a stream of octets
    tls_stream.py         the same with TLS around it
    tls.py                TLS without a socket
    costly_work.py        costly pieces of work, one a turn of the loop
    encrypted.py          servers of encrypted transports, and what they share
    certificates.py       the certificate that they show
    doh.py                DNS over HTTPS as requests and responses
    https_connection.py   one client's HTTPS connection
    http1.py              HTTP/1.1 between octets and requests
    http2.py              HTTP/2 between octets and requests
    http2_frames.py       HTTP/2 frames, counted before they are read
  The catalog:
    control_link.py       a worker's end of the link to control
    inspector.py          what control asks of a worker for people
    replica.py            the catalog kept in step with control's
    journal.py            reads the last whole catalog while control is away

Rules of the room: imports no provider, no configuration, no web framework, so that it starts at once and stays small. One event
loop, no threads: nothing here blocks, and no turn of the loop does work in proportion to the catalog. Read first: `serve.py`.
"""
