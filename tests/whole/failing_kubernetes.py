"""The ways in which a Kubernetes API server fails, for tests/whole/failures.py."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.providers.kubernetes.fake import CLOSE, Fake, Request
from tests.providers.kubernetes.objects import endpoint, headless, slice_of
from tests.providers.kubernetes.real import Cluster, missing
from tests.whole.failures import Again, Failure, FOLLOWED_DENIED_S, Made, PROBE, SERVICES, STORM_CONTROL_MAX


class Real:
    """A real API server with its etcd."""

    title = "kube-apiserver 1.37"

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder)
        self.address = "10.200.0.0"

    @staticmethod
    def missing() -> str:
        return missing("kube-apiserver", "etcd")

    @property
    def provider(self) -> str:
        return f"{{type: kubernetes, kubeconfig: {self.cluster.kubeconfig('reader-token')}}}"

    def __enter__(self) -> Self:
        self.fill()
        return self

    def __exit__(self, *error: object) -> None:
        self.cluster.__exit__(*error)

    def fill(self) -> None:
        self.cluster.allow_readers("services", "endpointslices")
        self.move(self.address)  # before its Service, which nobody is to find empty
        self.cluster.put(headless(PROBE))
        for at in range(SERVICES):
            self.cluster.put(slice_of(f"svc-{at}", [f"10.0.0.{at + 1}"]))
            self.cluster.put(headless(f"svc-{at}"))

    def move(self, address: str) -> None:
        self.address = address
        self.cluster.put(slice_of(PROBE, [address]))

    def kill(self) -> None:
        self.cluster.api.stop(signal.SIGKILL)

    def come_back_without_history(self) -> None:
        """Every version that a watch could go on from is compacted away: 410."""
        self.cluster.start_api()
        self.move("10.200.1.1")
        self.cluster.forget()

    def lose_everything(self) -> None:
        """etcd has lost its disk; a second after the API server is back, everything is made again."""
        self.cluster.lose_everything()
        self.cluster.allow_readers("services", "endpointslices")
        time.sleep(1.0)
        self.fill()

    def empty_slices(self) -> None:
        """The API server writes them as `endpoints: null`. Beside each there is one that is not empty."""
        for at in range(SERVICES):
            self.cluster.put(slice_of(f"svc-{at}", None, suffix="b", ports=None))

    def fill_slices(self) -> None:
        for at in range(SERVICES):
            self.cluster.delete("EndpointSlice", f"svc-{at}-b")


class Lying:
    """A fake API server."""

    title = "fake"

    def __init__(self, folder: Path) -> None:
        self.fake = Fake()
        self.again = Again()
        self._folder = folder

    @staticmethod
    def missing() -> str:
        return ""

    @property
    def provider(self) -> str:
        return f"{{type: kubernetes, kubeconfig: {self.fake.kubeconfig(self._folder)}}}"

    def __enter__(self) -> Self:
        self.fake.start()
        for at in range(SERVICES):
            self.fake.put(headless(f"svc-{at}"), slice_of(f"svc-{at}", [f"10.0.0.{at + 1}"]))
        self.fake.put(headless(PROBE))
        self.move("10.200.0.0")
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.stop()

    def move(self, address: str) -> None:
        self.fake.put(slice_of(PROBE, [address]))

    def lie(self, act: Callable[[Request], object]) -> None:
        """From now on, to everybody: who watches has to ask again."""
        self.fake.lie = act
        self.fake.break_connections()

    def be_honest(self) -> None:
        self.fake.lie = lambda request: None

    def up_and_down(self, at: int) -> None:
        if at % 2:
            self.fake.start()
        else:
            self.fake.stop()

    def stay_up(self) -> None:
        self.again.end()
        self.fake.stop()
        self.fake.start()

    def flip(self, at: int) -> None:
        """Of one service after another, one endpoint of two."""
        number = at // 2 % SERVICES
        self.fake.put(slice_of(f"svc-{number}", [f"10.0.0.{number + 1}", endpoint("10.0.1.1", ready=bool(at % 2))]))


def body(text: str) -> Callable[[Request], object]:
    return lambda request: request.answer(200, text.encode())


def half(request: Request) -> object:
    """The head says more than comes."""
    request.handler.send_response(200)
    request.handler.send_header("Content-Type", "application/json")
    request.handler.send_header("Content-Length", "5000")
    request.handler.end_headers()
    request.handler.wfile.write(b'{"kind": "ServiceList", "metadata": {"resourceVersion": "7"}, "items": [{"meta')
    return CLOSE


def watches(act: Callable[[Request], object]) -> Callable[[Request], object]:
    """Lists are answered as they should."""
    return lambda request: act(request) if request.is_watch else None


def gone(request: Request) -> object:
    request.begin_stream()
    request.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
    return request.end_stream()


def unusable(request: Request) -> object:
    version = str(request.handler.server.fake.version)
    metadata = {"name": "svc-1", "namespace": "default", "resourceVersion": version}
    request.begin_stream()
    request.event("MODIFIED", {"metadata": metadata, "endpoints": "?", "spec": 7})
    return request.end_stream()


def noise(request: Request) -> object:
    request.begin_stream()
    request.send(b'{"type": "MODIFIED", "obj\n')
    return request.end_stream()


def of_real(backend: Real) -> list[Failure]:
    cluster = backend.cluster
    return [
        Failure("kill -9; back with its data", backend.kill, cluster.start_api),
        Failure(
            "hang: it is stopped, no octet comes",
            lambda: cluster.api.tell(signal.SIGSTOP),
            lambda: cluster.api.tell(signal.SIGCONT),
            30.0,
        ),
        Failure("kill -9; back, and the history is compacted (410)", backend.kill, backend.come_back_without_history),
        Failure("kill -9; back without any data, which are made again", backend.kill, backend.lose_everything),
        Failure("endpoints: null in a slice of each service", backend.empty_slices, backend.fill_slices, 4.0),
    ]


def of_fake(backend: Lying) -> list[Failure]:
    def lie(title: str, act: Callable[[Request], object], **more: Any) -> Failure:
        return Failure(title, partial(backend.lie, act), backend.be_honest, **more)

    denied = {"lasts_s": 6.0, "followed_s": FOLLOWED_DENIED_S}
    return [
        Failure("refused", backend.fake.stop, backend.fake.start),
        lie("every connection is closed", lambda _: CLOSE),
        lie("500", lambda request: request.refuse(500, "InternalError", "etcdserver: leader changed")),
        lie("HTML, with 200", body("<!doctype html><title>Login</title>")),
        lie("half JSON: the list is cut", half),
        lie("a list without items", body('{"kind": "ServiceList", "metadata": {"resourceVersion": "7"}}')),
        lie("401", lambda request: request.refuse(401, "Unauthorized"), **denied),
        lie("403", lambda request: request.refuse(403, "Forbidden", "services is forbidden"), **denied),
        lie("429, Retry-After: 5", lambda request: request.refuse(429, "TooManyRequests", Retry_After="5"), **denied),
        lie("410 for every watch", watches(gone)),
        lie("events that are no JSON", watches(noise)),
        lie("an object that cannot be used, again and again", watches(unusable)),
        lie("watches end as soon as they are open", watches(lambda request: (request.begin_stream(), request.end_stream())[1])),
        Failure("flapping: up and down every 0.4 s", partial(backend.again.begin, backend.up_and_down, 0.4), backend.stay_up),
        Failure(
            "storm: 100 changes a second",
            partial(backend.again.begin, backend.flip, 0.01),
            backend.again.end,
            control_max=STORM_CONTROL_MAX,
        ),
    ]


BACKENDS: list[Made] = [(Real, of_real), (Lying, of_fake)]
