"""A program that looks services up in many threads, and forks: `python -m tests.library.forking STYLE PROVIDER SETTINGS`.

The service `s<n>` must have the port 1000 + n, whoever asks: any other answer is another process's. STYLE: `threads` forks while
threads look up and watch; `prefork` is what gunicorn does with a program that is loaded first; `pool` is multiprocessing's.
PROVIDER: a type, or `plugin` and `chain` for those below. Ends with status 0, or says what went wrong.
"""

from __future__ import annotations

import faulthandler
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dnsdisco
import dnsdisco.discovery
from dnsdisco.providers import registry
from dnsdisco.providers.combined import ChainServiceDiscovery

SERVICES = 30
CHILDREN = 12
WORKERS = 3
PATIENCE_S = 30.0  # for one child; a busy machine


class Plugin(dnsdisco.ServiceDiscovery):
    """Knows nothing of forks: one lock, one connection, below an object of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.client: Any = type("Client", (), {})()
        self.client.lock = threading.RLock()
        self.client.connections = [http.client.HTTPConnection(host, port, timeout=10)]

    def get_services(self) -> dict[str, dict[str, Any]]:
        with self.client.lock:
            connection = self.client.connections[0]
            connection.request("GET", "/v1/catalog/services")
            names = json.loads(connection.getresponse().read())
        return {name: found for name in names if (found := self.get_service(name))}

    def get_service(self, service_name: str, default: Any = None) -> Any:
        with self.client.lock:
            connection = self.client.connections[0]
            connection.request("GET", f"/v1/health/service/{service_name}")
            entries = json.loads(connection.getresponse().read())
        return {"address": "10.0.0.1", "port": entries[0]["Service"]["Port"]} if entries else default


def main(style: str, kind: str, settings: dict[str, Any]) -> None:
    if kind == "plugin":
        provider: dnsdisco.ServiceDiscovery = Plugin(**settings)
    elif kind == "chain":
        provider = ChainServiceDiscovery([registry.create({"type": each, **settings[each]}, {}) for each in settings])
    else:
        environ = settings if kind == "env" else {}
        provider = registry.create({"type": kind, **({} if environ else settings)}, environ)
    provider.poll_interval = 0.05
    dnsdisco.set_discovery_provider(provider)
    look_up(0)
    {"threads": with_threads, "prefork": prefork, "pool": pool}[style]()


def look_up(n: int) -> None:
    """Past the cache: what the backend says, and by the library's function, too."""
    dnsdisco.discovery._current.cache.clear()
    url = dnsdisco.get_service_url(f"s{n}")
    port = (dnsdisco.get_discovery_provider().get_service(f"s{n}") or {}).get("port")
    if not (url and url.endswith(f":{1000 + n}")) or port != 1000 + n:
        raise SystemExit(f"process {os.getpid()}: s{n} is {url}, port {port}")


def with_threads() -> None:
    """Fork again and again, while four threads look up and one watches."""
    over, wrong = threading.Event(), []

    def run(work: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                work()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is told
            wrong.append(repr(error))
            over.set()

    views: Iterator[Any] = dnsdisco.get_discovery_provider().watch(over)
    works = [lambda: look_up(random.randrange(SERVICES))] * 4 + [lambda: next(views, None)]
    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for _ in range(CHILDREN):
        time.sleep(random.uniform(0, 0.05))
        child = os.fork()
        if not child:
            faulthandler.dump_traceback_later(PATIENCE_S - 5)  # where it hangs
            os._exit(_status(_children_s_work))
        _wait_for(child)
    over.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    if wrong:
        raise SystemExit(f"in the parent: {wrong}")


def _children_s_work() -> None:
    look_up(random.randrange(SERVICES))
    wrong: list[BaseException] = []

    def some() -> None:
        try:
            for n in range(SERVICES):
                look_up(n)
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    stop = threading.Event()
    if next(iter(dnsdisco.get_discovery_provider().watch(stop))) is None:
        raise SystemExit("a watch in the child sees nothing")
    stop.set()


def prefork() -> None:
    """The workers share a listening socket and one provider, which was made, and used, before the fork."""
    listener = socket.create_server(("127.0.0.1", 0))
    workers = []
    for _ in range(WORKERS):
        worker = os.fork()
        if not worker:
            os._exit(_status(lambda: _serve(listener)))
        workers.append(worker)
    errors: list[str] = []

    def client(seed: int) -> None:
        for n in random.Random(seed).choices(range(SERVICES), k=60):
            with socket.create_connection(listener.getsockname(), timeout=PATIENCE_S) as sock:
                sock.sendall(bytes([n]))
                answer = sock.makefile().read()
            if answer != f"s{n} is well":
                errors.append(answer)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(SERVICES):
        look_up(random.randrange(SERVICES))  # the parent goes on, too
    for thread in threads:
        thread.join()
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
        os.waitpid(worker, 0)
    if errors:
        raise SystemExit(f"{len(errors)} wrong answers, such as {errors[0]!r}")


def _serve(listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        with sock:
            n = sock.recv(1)[0]
            try:
                look_up(n)
                sock.sendall(b"s%d is well" % n)
            except (SystemExit, Exception) as error:  # noqa: BLE001
                sock.sendall(repr(error).encode())


def pool() -> None:
    with multiprocessing.get_context("fork").Pool(WORKERS) as processes:
        processes.map_async(look_up, [*range(SERVICES)] * 4, chunksize=1).get(2 * PATIENCE_S)


def _status(work: Callable[[], None]) -> int:
    try:
        work()
    except BaseException as error:  # noqa: BLE001
        print(f"in a child: {error!r}", file=sys.stderr, flush=True)
        return 1
    return 0


def _wait_for(child: int) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit("a child failed")
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise SystemExit("a child hangs")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
