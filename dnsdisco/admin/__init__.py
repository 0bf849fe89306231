"""What the server shows over HTTP: probes, metrics, services and providers. It runs in the control process, in a thread of its own.

    listener.py     the thread: binds, serves, tries again
    connection.py   which connections may stay, and for how long
    middleware.py        what every request has to pass, and what every reply carries
    origins.py      the checks of Host and Origin
    rate.py         how many requests are answered in a second
    app.py          the pages
    json_views.py        their JSON
    control_client.py        asks the control loop for what is in them
    metrics.py      the metrics of control
    worker_metrics.py      the metrics that the workers count

Rules of the room: imports `errors`, `written`, `sockaddr`, `model` and, to read it alone, `control`. It can change nothing: there is no
method but GET and HEAD, and `control_client.py` has no question that acts. No request, however many come and whatever is in them, may cost a DNS
answer or a change of the catalog more than a moment: replies are made from values that do not change, in this thread, and a flood waits.
Read first: `app.py`. docs/http.md is the contract with clients.
"""
