"""The parent process: binds every socket once, starts control and the workers, restarts whatever dies, and carries the signals.

    family.py      the loop: children, signals, readiness, the end
    child.py       one child process: its parameters, its status lines;  restarts.py: when it may start again
    watchdog.py    who does not answer any more;  signals.py: what each signal means
    sockets.py     what is listened on;  holder.py: who has it already;  activation.py: sockets that systemd gives
    notify.py      what systemd is told;  announce.py: the two lines that a person waits for

Rules of the room: the standard library, `errors`, `log` and `priority`, nothing else: it stays small, and no package can bring down what holds the sockets.
It has no threads and answers no query. Read first: `family.py`.
"""
