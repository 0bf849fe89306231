"""The API of the server, HTTP through two doors: TCP for what only reads, the control socket for everything. In a thread of control.

    routes.py           every path: its page, its door, its parameters, its replies. Read first
    request.py          the arguments and results of a page; the parameters of a query
    shapes.py           the types of the replies
    openapi.py          the description of the API, made from the table and the types
    api.py              shared by the pages
  Pages:
    probes.py           health, readiness, metrics, providers
    status.py           how the server does; upstreams; settings; the cache
    browser.py          the page for people; its files are in page/
    services.py         services, at once or when they have changed
    queries.py          the queries as they are answered
    explain.py          why a name gets its answer
    events.py           changes as they are published
    server_sent.py      the form of such events
    feeds.py            shared by the feeds for other programs
    prometheus.py       HTTP service discovery of Prometheus
    envoy.py            endpoint discovery of Envoy
    operations.py       the operations that change something
  Their parts:
    json_views.py       control's facts as JSON
    metrics.py          the metrics of control
    worker_metrics.py   the metrics that the workers count
    control_client.py   asks the control loop
    change_log.py       the changes published lately
  Around them:
    listener.py         the thread and its doors: binds, serves, tries again
    socket_file.py      the control socket in the file system, and who may use it
    connection.py       one client: HTTP/1.1 over a stream, and how long each step may take
    gate.py             the checks of every request, and the headers of every reply
    origins.py          the checks of Host and Origin
    rate.py             the bound of requests a second

Rules of the room: imports `errors`, `written`, `sockaddr`, `model`, `presentation` and `control`. What changes something is a row of the table that is
marked private. No request, however many come and whatever is in them, may cost a DNS answer or a change of the catalog more than a
moment: replies are made from values that do not change, in this thread, and a flood waits. docs/http.md is the contract with clients.
"""
