"""What the server tells over HTTP: probes, metrics, services and providers. In the control process, in a thread of its own.

    listener.py     the thread: binds, serves, tries again;  connection.py: who may stay connected, and for how long
    guard.py        what every request has to pass (callers.py: Host and Origin; pace.py: how many), and what every reply carries
    app.py          the pages;  forms.py: what is in them;  known.py: asks the control loop for it
    metrics.py      the metrics of control;  counted.py: those that the workers count

Rules of the room: imports `errors`, `model` and, to read it alone, `control`. It can change nothing: there is no method but GET and
HEAD, and `known.py` has no question that acts. No request, however many come and whatever is in them, may cost a DNS answer or a
change of the catalog more than a moment: replies are made from values that do not change, in this thread, and a flood waits.
Read first: `app.py`. The contract with those outside is docs/http.md.
"""
