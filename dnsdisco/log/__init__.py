"""Every line that the server logs: one form, one way out, and no process that waits for the reader of its log.

    form.py      an event as one line: for a terminal, for machines (key=value), or as JSON
    sink.py      the descriptor that lines go to, which never blocks; a line that it does not take is counted and lost
    lines.py     both together, with the level: what the supervisor, control and a worker log with
    handler.py   the same for code that uses Python's logging

Rules of the room: the standard library and nothing else. Read first: `lines.py`.
"""
