"""A forked process opens connections and locks of its own, whoever made the provider and whatever threads ran at the fork."""

from __future__ import annotations

import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import urllib3

from dnsdisco.providers import forked
from dnsdisco.providers.base import ServiceDiscovery
from tests.library.forking import SERVICES
from tests.providers.consul.fake import FakeConsul
from tests.providers.consul.real import RealConsul
from tests.providers.kubernetes.fake import Fake
from tests.providers.kubernetes.objects import headless, slice_of
from tests.providers.kubernetes.tls import Tls

pytestmark = pytest.mark.slow

STYLES = ("threads", "prefork", "pool")


def run(style, kind, settings):
    command = [sys.executable, "-m", "tests.library.forking", style, kind, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def consul():
    with FakeConsul() as fake:
        for n in range(SERVICES):
            fake.catalog.put(f"s{n}", port=1000 + n)
        yield fake


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with Fake() as fake:
        for n in range(SERVICES):
            fake.put(headless(f"s{n}", ports=((1000 + n, "http"),)), slice_of(f"s{n}", ["10.0.0.1"], ports=((1000 + n, "http"),)))
        yield fake.kubeconfig(folder)


@pytest.mark.parametrize("style", STYLES)
def test_consul(style, consul):
    run(style, "consul", {"address": consul.address})


@pytest.mark.parametrize("style", STYLES)
def test_kubernetes(style, cluster):
    run(style, "kubernetes", {"kubeconfig": cluster})


def test_kubernetes_over_tls(tmp_path):
    with Fake() as fake:
        for n in range(SERVICES):
            fake.put(headless(f"s{n}", ports=((1000 + n, "http"),)), slice_of(f"s{n}", ["10.0.0.1"], ports=((1000 + n, "http"),)))
        Tls(tmp_path).wrap(fake)
        path = fake.kubeconfig(tmp_path)
        text = Path(path).read_text().replace("http://", "https://")
        Path(path).write_text(text.replace("server:", f"certificate-authority: {tmp_path}/server.crt\n    server:"))
        run("threads", "kubernetes", {"kubeconfig": path})


@pytest.mark.parametrize("style", STYLES)
def test_static(style, tmp_path):
    path = tmp_path / "services.json"
    path.write_text(json.dumps({f"s{n}": {"address": "10.0.0.1", "port": 1000 + n} for n in range(SERVICES)}))
    run(style, "static", {"path": str(path)})


def test_env():
    variables = {f"SERVICE_S{n}_URL": f"http://10.0.0.1:{1000 + n}" for n in range(SERVICES)}
    run("threads", "env", variables | {"SERVICE_BAD_URL": "x y"})


@pytest.mark.parametrize("style", STYLES)
def test_a_chain_of_several(style, consul, cluster, tmp_path):
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"other": {"address": "10.0.0.1", "port": 1}}))
    run(
        style,
        "chain",
        {"static": {"path": str(path)}, "consul": {"address": consul.address}, "kubernetes": {"kubeconfig": cluster}},
    )


@pytest.mark.parametrize("style", STYLES)
def test_a_plug_in_that_knows_nothing_of_forks(style, consul):
    run(style, "plugin", {"host": "127.0.0.1", "port": consul.port})


@pytest.mark.servers
@pytest.mark.parametrize("style", STYLES)
def test_a_real_consul(style, tmp_path):
    with RealConsul(tmp_path) as agent:
        for n in range(SERVICES):
            agent.register(f"s{n}", f"s{n}", Port=1000 + n)
        run(style, "consul", {"address": agent.address})


def in_a_child(work):
    """What it returns there, as text."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: that there are threads is the point
        child = os.fork()
    if not child:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_locks_of_every_kind_that_were_held_are_free():
    class Holder(ServiceDiscovery):
        def __init__(self):
            self.locks: list[Any] = [threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore(0)]
            self.queue = queue.Queue()
            self.pools = {"a": urllib3.PoolManager()}
            self.own = forked.Lock()

        def get_services(self):
            return {}

    held = Holder()
    is_held, is_over = threading.Event(), threading.Event()
    pool = held.pools["a"].connection_from_url("http://127.0.0.1:9")

    def hold():
        for lock in held.locks[:3]:
            lock.acquire()
        with held.own, held.queue.mutex, held.pools["a"].pools.lock, pool.pool.mutex:
            is_held.set()
            is_over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(30)

    def free():
        return [
            [lock.acquire(timeout=1) for lock in held.locks[:3]],
            held.queue.mutex.acquire(timeout=1),
            held.own._lock.acquire(timeout=1),
            held.pools["a"].pools.lock.acquire(timeout=1),
        ]

    try:
        assert in_a_child(free) == str([[True, True, True], True, True, True])
        assert not held.own._lock.acquire(timeout=0), "the parent's is as it was"
    finally:
        is_over.set()
        thread.join()


def test_a_connection_is_let_go_and_the_parent_s_stays_open(consul):
    class Holder(ServiceDiscovery):
        def __init__(self):
            self.connection = http.client.HTTPConnection("127.0.0.1", consul.port)

        def get_services(self):
            self.connection.request("GET", "/v1/catalog/services")
            return {name: {} for name in json.loads(self.connection.getresponse().read())}

    holder = Holder()
    expected = holder.get_services()
    accepted = consul.accepted
    assert in_a_child(lambda: (holder.connection.sock, holder.get_services() == expected)) == "(None, True)"
    assert holder.get_services() == expected
    holder.connection.close()
    assert consul.accepted == accepted + 1, "the child's own; the parent's was not closed"


def test_a_class_says_itself_how_it_begins_anew():
    class Own(ServiceDiscovery):
        process = os.getpid()

        def get_services(self):
            return {}

        def forked(self):
            self.process = os.getpid()

    class Broken(Own):
        def forked(self):
            raise RuntimeError("no")

    broken, own = Broken(), Own()
    assert in_a_child(lambda: own.process == os.getpid()) == "True"
    assert own.process == broken.process == os.getpid()


def test_a_fork_waits_for_an_import_of_ours(tmp_path):
    """Python's lock of a module that another thread was importing stays held in the child for ever."""
    (tmp_path / "slow_to_import.py").write_text("import time\nis_begun = True\ntime.sleep(0.5)\n")
    code = """
import os, sys, threading, importlib
from dnsdisco.providers import forked
def load():
    with forked.importing:
        importlib.import_module("slow_to_import")
thread = threading.Thread(target=load)
thread.start()
while "slow_to_import" not in sys.modules:
    pass
child = os.fork()
if not child:
    load()
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(tmp_path)})


def test_a_provider_is_not_kept_alive():
    class Short(ServiceDiscovery):
        def get_services(self):
            return {}

    before = len(forked._calls)
    kept = [Short() for _ in range(100)]
    assert len(forked._calls) == before + 100
    del kept
    assert len(forked._calls) <= before


@pytest.mark.parametrize("kind", ["consul", "kubernetes"])
def test_a_watch_s_threads_stay_with_the_parent(kind, consul, cluster):
    """The child's half of a watch ends with a word, the parent's goes on, and its connections are not cut by the child's end."""
    code = f"""
import os, threading
from dnsdisco import ProviderError
from dnsdisco.providers import registry
provider = registry.create({{"type": "{kind}", **{ ({"address": consul.address} if kind == "consul" else {"kubeconfig": cluster})!r}}}, {{}})
stop = threading.Event()
views = provider.watch(stop)
first = next(views)
def child(work):
    pid = os.fork()
    if not pid:
        os._exit(work())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
def go_on():
    try:
        next(views)
    except ProviderError as error:
        assert "forked" in str(error), error
        assert len(next(provider.watch(threading.Event())).services) == len(first.services)
        return 0
    return 1
def drop():
    views.close()
    provider.close()
    return 0
child(go_on)
child(drop)
for _ in range(2):
    assert len(next(views).services) == len(first.services)
stop.set()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_file_that_was_being_written_at_the_fork_is_not_held_by_the_child(tmp_path):
    """The lock is of the open folder, which the child has a copy of; the writer gives it back all the same."""
    path = tmp_path / "services.json"
    code = f"""
import os, sys
from dnsdisco.providers.static.atomic_file import exclusive
with exclusive({str(path)!r}):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
try:
    with exclusive({str(path)!r}, wait_s=1.0):
        pass
finally:
    os.close(writing)
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
