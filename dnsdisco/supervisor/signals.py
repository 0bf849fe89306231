"""The meaning of each signal, here and in the children, so that no signal that other DNS servers know ends this one by surprise.

SIGTERM, SIGINT, SIGQUIT end it; SIGHUP reloads; SIGUSR1 logs statistics. What would end a program that does not know it, and has no
meaning here, is ignored: SIGUSR2 (dnsmasq's, Unbound's), the timers', the terminal's, the real-time ones (systemd-resolved's).
"""

from __future__ import annotations

import signal
import socket
from contextlib import suppress

TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
_NAMES = ("SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGTTIN", "SIGTTOU", "SIGPIPE")
_REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1) if hasattr(signal, "SIGRTMIN") else ()
IGNORED = (*(int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name)), *_REAL_TIME)


def catch() -> tuple[socket.socket, socket.socket]:
    """Catch the signals of TAKEN: each becomes an octet to read from the first socket. The caller keeps the second one."""
    wakeup, theirs = socket.socketpair()
    for sock in (wakeup, theirs):
        sock.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in TAKEN:
        signal.signal(number, lambda *_: None)
    ignore(IGNORED)
    return wakeup, theirs


def let_go() -> None:
    """Ignore the signals from now on: while Python shuts down, one more of them must not turn an orderly end into a failure."""
    signal.set_wakeup_fd(-1)
    ignore(tuple(map(int, TAKEN)))


def ignore_until_taken() -> None:
    """Before exec: what is ignored stays so in the program, which takes what it has a use for once it can."""
    ignore((*IGNORED, signal.SIGHUP, signal.SIGUSR1))


def ignore_in_child() -> None:
    """Between fork and exec. Ctrl-\\ at a terminal is for the supervisor."""
    ignore_until_taken()
    ignore((signal.SIGQUIT,))


def ignore(numbers: tuple[int, ...]) -> None:
    for number in numbers:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
