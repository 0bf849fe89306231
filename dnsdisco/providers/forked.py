"""Makes locks and connections anew in a forked child (gunicorn, multiprocessing, Celery). The only file that knows of forks.

In a child only the thread that forked goes on. A lock that another thread held stays held for ever, what another thread was about to
do never comes, and two processes that read from one connection read each other's answers. So code that holds any of these registers, with
in_child(), how to begin anew; every provider does (base.py), and renew() does it for code that knows nothing of forks.

An import is the exception: Python has a lock for each module, which cannot be freed in the child, so a fork waits for ours to be over.

Code in a child may not wait, and may not send over an inherited connection: closing a socket in the child does not disturb the parent,
ending its connection (shutdown, TLS close_notify) would.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType, TracebackType
from typing import Any

from dnsdisco.providers.log import logger

LEFT_BEHIND = "its threads stayed in the process that this one was forked from; a new watch() has its own"
OBJECTS_MAX = 10_000  # below one plug-in, looked through in a child, nearest first: some 10 ms

IMPORT_S = 10.0  # that a fork waits for an import; one that forks by itself, in another thread, must not wait for ever

importing = threading.RLock()  # hold it while a module is imported after the start, by whatever thread asks first
_held = threading.local()
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)
_LEAVES = (str, bytes, bytearray, int, float, complex, type(None), type, ModuleType, FunctionType, threading.Thread)
_OURS = __name__.partition(".")[0]  # classes of this package look after themselves
# How each kind of connection lets go of its sockets and stays usable. By name: none of these packages need be there.
_LET_GO = {
    ("http.client", "HTTPConnection"): "close",  # of requests and urllib3, too: each connects anew with its next request
    ("urllib3.poolmanager", "PoolManager"): "clear",
    ("httpcore._sync.connection_pool", "ConnectionPool"): "close",
}

_calls: dict[int, weakref.WeakMethod[Callable[[], None]]] = {}  # by age
atexit.register(_calls.clear)  # what is collected after that would call back into modules that are gone
_numbers = itertools.count()


def in_child(call: Callable[[], None]) -> None:
    """Call the bound method *call* in every forked child, before anything else of ours runs there. Does not keep its object alive."""
    key = next(_numbers)
    _calls[key] = weakref.WeakMethod(call, lambda _: _calls.pop(key, None))


class Lock:
    """threading.Lock, free in a child, whichever thread held it at the fork. What it guards must be whole, or of no worth, at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        in_child(self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()


def renew(root: object) -> None:
    """Free the locks below *root*, and let its connections go, as far as they are of a known kind. In a child alone."""
    found = list(_below(root))
    for each in found:
        if isinstance(each, _LOCKS):
            each._at_fork_reinit()  # type: ignore[union-attr]  # noqa: SLF001  what the standard library does with its own
    for each in found:
        for kind in type(each).__mro__:
            let_go = _LET_GO.get((kind.__module__, kind.__qualname__))
            if let_go is not None:
                getattr(each, let_go)()
                break


def _below(root: object) -> Iterator[object]:
    """*root* and what its attributes and containers hold, breadth first."""
    seen = {id(root)}
    waiting = deque([root])
    while waiting:
        each = waiting.popleft()
        yield each
        for child in _held_by(each):
            if len(seen) < OBJECTS_MAX and id(child) not in seen and not _is_leaf(child):
                seen.add(id(child))
                waiting.append(child)


def _is_leaf(each: object) -> bool:
    return isinstance(each, _LEAVES) or type(each).__module__.partition(".")[0] == _OURS


def _held_by(each: object) -> list[Any]:
    if isinstance(each, dict):
        return list(dict.values(each))
    if isinstance(each, (list, tuple, set, frozenset, deque)):
        return list(each)
    return list((getattr(each, "__dict__", None) or {}).values())


def _begin_anew() -> None:
    for call in list(_calls.values()):
        method = call()
        if method is None:
            continue
        try:
            method()
        except Exception as error:  # noqa: BLE001  a plug-in's code must not keep the others from theirs
            owner = type(getattr(method, "__self__", method)).__name__
            logger().error(f"{owner} could not begin anew after a fork of the process: {type(error).__name__}: {error}")


def _before() -> None:
    _held.is_ours = importing.acquire(timeout=IMPORT_S)


def _after() -> None:
    if _held.is_ours:
        importing.release()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
os.register_at_fork(after_in_child=_begin_anew)
