"""The parent process: it binds every socket once, starts control and the workers, restarts a child that dies, and passes signals on.

    __main__.py         `python -m dnsdisco.supervisor FD`: the entry point
    family.py           the loop: children, signals, readiness, the end
    channels.py         links and memory that outlive the children
    child.py            one child process: its parameters and its status lines
    document.py         a child's parameters, as a file without a name
    restarts.py         when a child that has died may start again
    watchdog.py         which child has stopped answering
    signals.py          what each signal means
    sockets.py          the sockets of `listen`, bound once
    late_listening.py   addresses of an interface that comes later, or comes back
    port_holder.py      which process has an address already
    activation.py       sockets that systemd gives
    notify.py           reports to systemd
    announce.py         the two lines for the person who starts the server

Rules of the room: the standard library, `errors`, `log`, `priority` and `sockaddr`, nothing else: it stays small, and no package can bring
down what holds the sockets. It has no threads and answers no query. Read first: `family.py`.
"""
