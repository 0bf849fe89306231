"""Every line that the server logs: one form, one way out, and no process that waits for whoever reads it.

    form.py      an event as a line: for a terminal, for machines (key=value), or as JSON
    sink.py      where a line goes, without ever blocking; what could not be written is counted
    lines.py     both together, with the level: what the supervisor, control and a worker hold
    handler.py   the same for those that use Python's logging

Rules of the room: the standard library and nothing else. Read first: `lines.py`.
"""
