"""The env provider: services from environment variables. The simplest provider, and the last in every detected chain.

    SERVICE_<NAME>_URL=http://auth-service:5001     SERVICE_<NAME>_HOST=auth-service     SERVICE_<NAME>_PORT=5001
    SERVICE_<NAME>_<n>_URL, _HOST, _PORT            several instances, n being any number

The name of the service is NAME in lower case with `_` as `-`. How a variable is read, in this order:
1. Its last word, URL, HOST or PORT, decides what it is; other variables are not ours. So SERVICE_URL_HOST is the host of `url`.
2. Digits alone before that are the number of an instance, if a name is left before them: SERVICE_WEB_2_HOST is the second `web`,
   SERVICE_OAUTH2_HOST is `oauth2`, and SERVICE_2_HOST is `2`.
3. URL gives scheme, host and port; HOST and PORT, where they are there too, win over it. `tcp://10.0.0.1:5001` in any of the three
   gives host and port (container links). The PORT without a number is also that of every numbered HOST that has none.
4. A PORT that is a link is what a container engine sets by itself. What a person wrote beats it: beside a URL it is not used, beside
   a HOST its port alone counts, and a number that has nothing else is no instance of a service that has a URL or a HOST.
5. A variable that makes no sense, or is empty, is one warning and is not used; a HOST with a PORT that makes no sense is left out.
What Kubernetes and Docker inject for their own services and links (`X_SERVICE_HOST`, `X_PORT_80_TCP_ADDR`, `X_ENV_SMTP_HOST`) is passed over.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from dnsdisco.errors import NotSupported, Problem
from dnsdisco.model.address import parse_url
from dnsdisco.model.public import left_out
from dnsdisco.model.service import Service, Snapshot, TRANSPORTS
from dnsdisco.model.service_data import service_from_data, service_to_dict
from dnsdisco.providers.base import ServiceDiscovery
from dnsdisco.providers.env.traits import Traits
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.local_source import LocalSource, Verify
from dnsdisco.providers.log import logger
from dnsdisco.written.units import number_from

_OURS = re.compile(r"SERVICE_(?P<name>.+?)(?:_(?P<number>[0-9]{1,9}))?_(?P<kind>URL|HOST|PORT)", re.DOTALL)
# Docker's and Kubernetes' X_PORT_80_TCP_PORT; and what Docker copies of the environment of a linked container.
_INJECTED = re.compile(r".+_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PORT|SERVICE_(?>.+?_ENV_).+_(?:URL|HOST|PORT)", re.DOTALL)
# What they set beside X_PORT=tcp://10.0.0.1:80; without that a person has set it.
_BESIDE_LINK = re.compile(r"(?P<service>.+?)_(?:SERVICE_(?:HOST|PORT)(?:_.+)?|ENV_(?:URL|HOST|PORT))", re.DOTALL)

Warn = tuple[str, str]  # variable, what is wrong with it


class _Variable(NamedTuple):
    """`said`: of an instance; None: it makes no sense, and there is a warning. `is_link`: what an engine sets, too."""

    key: str
    said: dict[str, Any] | None
    is_link: bool


_Group = dict[str, _Variable]  # by kind: URL, HOST, PORT


class Variables(LocalSource):
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def services(self) -> dict[str, dict[str, Any]]:
        return services_from(self._environ)[0]

    def faults(self, _verify: Verify) -> list[Problem]:
        return [Problem("", 0, 0, variable, message, is_warning=True) for variable, message in services_from(self._environ)[1]]


class EnvServiceDiscovery(Traits, ServiceDiscovery):
    """*environ*: by default the environment of this process, as it is at each call."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._warned: set[Warn] = set()
        self._lock = Lock()  # around _warned

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        return cls(**{"environ": environ, **settings})

    def get_services(self) -> dict[str, dict[str, Any]]:
        services, warnings = services_from(self._environ)
        self._warn(warnings)
        return services

    def get_service(self, service_name: str, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The service of that name. Spellings as in variables are found, too: `auth_service` and `AUTH-SERVICE` are `auth-service`."""
        return self.get_services().get(service_name.lower().replace("_", "-"), default)

    def register_service(self, service_name: str, service_data: Mapping[str, Any]) -> str:
        raise NotSupported(_WHY_NOT)

    def deregister_service(self, service_name: str, instance_id: str | None = None) -> bool:
        try:
            return super().deregister_service(service_name, instance_id)
        except NotSupported:
            raise NotSupported(_WHY_NOT) from None

    def local_source(self) -> Variables:
        return Variables(self._environ)

    def watch(self, stop: threading.Event) -> Iterator[Snapshot]:
        """Nobody can change the environment of another process, so this one looks at its own as often as a poll would."""
        last = self._snapshot(Snapshot())
        yield last
        while not stop.wait(self.poll_interval):
            last = self._snapshot(last)
            yield last

    def _snapshot(self, last: Snapshot) -> Snapshot:
        """The snapshot; unchanged services are the objects of *last*."""
        found = read(self._environ)
        self._warn(found.warnings)
        now = found.snapshot()
        kept = {key: old if (old := last.services.get(key)) == service else service for key, service in now.services.items()}
        return last if now == last else replace(now, services=kept)

    def _warn(self, warnings: list[Warn]) -> None:
        with self._lock:
            new = [warning for warning in warnings if warning not in self._warned]
            self._warned.update(new)
        for key, message in new:
            logger().warning(f"{key}: {message}", provider=self.type)


_WHY_NOT = (
    "the env provider is read-only: variables set now would be seen by no other program. Set them where the programs are started, "
    "or register with the static, consul or kubernetes provider"
)


class VariablesRead(NamedTuple):
    services: dict[str, Service]
    warnings: list[Warn]
    rejected: tuple[tuple[str, str], ...]  # services of which no variable can be used, and why

    def snapshot(self) -> Snapshot:
        return Snapshot({service.key: service for service in self.services.values()}, rejected=self.rejected)


def services_from(environ: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], list[Warn]]:
    """The services that the variables describe, in the library's form, and each variable that makes no sense, with the reason.

    Never raises, whatever the variables are. One warning a variable.
    """
    found = read(environ)
    return {name: service_to_dict(service) for name, service in found.services.items()}, found.warnings


def read(environ: Mapping[str, str]) -> VariablesRead:
    """The same as services, with what is left out of them."""
    warnings: dict[str, str] = {}
    services: dict[str, Service] = {}
    rejected: list[tuple[str, str]] = []
    for name, groups in _grouped(environ, warnings).items():
        instances, lost, url = [], [], ""
        for number, group in _without_the_injected(groups).items():
            instance = _instance(name, number, group, warnings)
            if instance is not None:
                url = instance.pop("url", "")
                instances.append(instance)
            elif key := next((each.key for each in group.values() if each.key in warnings), ""):
                lost.append(key)
        if instances:
            data = {**instances[0], "url": url} if len(instances) == 1 and url else {"instances": instances}
            service, faults = service_from_data(name, data)
            for _, message, _ in faults:
                warnings.setdefault(_first_of(groups), message)
            if service is not None:
                services[name] = _without(service, lost, warnings)
                continue
            lost = [_first_of(groups)]
        if lost and (why := left_out(0, lost[0], warnings[lost[0]])):
            rejected.append((name, why.reason))
    return VariablesRead(services, list(warnings.items()), tuple(rejected))


def _without(service: Service, lost: list[str], warnings: Mapping[str, str]) -> Service:
    """*service*, which lacks the instances that these variables would have made."""
    if not lost:
        return service
    more = service.left_out.number if service.left_out else 0
    return replace(service, left_out=left_out(len(lost) + more, lost[0], warnings[lost[0]]))


def _grouped(environ: Mapping[str, str], warnings: dict[str, str]) -> dict[str, dict[str, _Group]]:
    """Our variables by service, by number ("": without), by kind; in the order of the names, so that nothing depends on the environment's."""
    services: dict[str, dict[str, _Group]] = {}
    for key in sorted(environ):
        found = _OURS.fullmatch(key) if key.startswith("SERVICE_") else None
        if found is None or _is_injected(key, environ):
            continue
        name, number = found["name"].lower().replace("_", "-"), found["number"] or ""
        value = environ[key].strip()
        if not value:
            warnings[key] = "is empty, and counts as not set"
            continue
        group = services.setdefault(name, {}).setdefault(number.lstrip("0") or number, {})
        if found["kind"] in group:
            warnings[key] = f"means the same as {group[found['kind']].key}, which is used"
        else:
            group[found["kind"]] = _read(key, found["kind"], value, warnings)
    return {name: dict(sorted(groups.items(), key=lambda item: int(item[0] or -1))) for name, groups in services.items()}


def _is_injected(key: str, environ: Mapping[str, str]) -> bool:
    """Kubernetes, for a service called `service-x`, and Docker, for a link, set variables that look like ours."""
    if _INJECTED.fullmatch(key):
        return True
    beside = _BESIDE_LINK.fullmatch(key)
    return beside is not None and "://" in environ.get(f"{beside['service']}_PORT", "")


def _read(key: str, kind: str, value: str, warnings: dict[str, str]) -> _Variable:
    try:
        return _Variable(key, _said_by(kind, value), is_link=kind == "PORT" and "://" in value)
    except ValueError as error:
        warnings[key] = str(error)
        return _Variable(key, None, is_link=False)


def _without_the_injected(groups: dict[str, _Group]) -> dict[str, _Group]:
    """The groups that may be an instance, with what an engine has set beside a person's words left out of them."""
    bare_port = groups.get("", {}).get("PORT")
    is_somebodys = any("URL" in group or "HOST" in group for group in groups.values())
    kept: dict[str, _Group] = {}
    for number, group in groups.items():
        port = group.get("PORT")
        is_port_alone = set(group) == {"PORT"}
        if is_port_alone and ((not number and len(groups) > 1) or (is_somebodys and port is not None and port.is_link)):
            continue  # of the numbered ones; of an engine
        kept[number] = dict(group)
        if number and bare_port is not None and "PORT" not in group and "URL" not in group:
            kept[number]["PORT"] = bare_port
        elif port is not None and port.is_link and "URL" in group:
            del kept[number]["PORT"]
    return kept


def _instance(name: str, number: str, group: _Group, warnings: dict[str, str]) -> dict[str, Any] | None:
    """The instance of one group of variables; None where they make none, and a warning has the reason."""
    data: dict[str, Any] = {"id": f"{name}-{number}"} if number else {}
    for kind in ("URL", "HOST", "PORT"):
        if kind not in group:
            continue
        said = group[kind].said
        if said is not None:
            data |= {key: value for key, value in said.items() if not (kind == "PORT" and key == "address" and "HOST" in group)}
        elif kind == "PORT" and "URL" not in data and "HOST" in group:
            return None
    if "address" in data:
        service, faults = service_from_data(name, data)
        if service is not None:
            return data
        for _, message, _ in faults:
            warnings.setdefault(_first_of({"": group}), message)
    elif set(group) == {"PORT"} and group["PORT"].said is not None:
        key = group["PORT"].key
        warnings.setdefault(key, f"there is no {key.removesuffix('PORT')}HOST beside it, so it is ignored")
    return None


def _first_of(groups: dict[str, _Group]) -> str:
    """The variable that a fault of the whole is reported for: a HOST, else a URL, else a PORT."""
    variables = [group[kind] for kind in ("HOST", "URL", "PORT") for group in groups.values() if kind in group]
    return variables[0].key


def _said_by(kind: str, value: str) -> dict[str, Any]:
    """Raises ValueError for a value that makes no sense for a variable of that kind."""
    if "://" in value:
        url = parse_url(value)
        data = {"address": url.address, "port": url.port}
        if url.scheme not in TRANSPORTS:
            return {**data, "url": value, "scheme": url.scheme}
        return data if kind != "URL" else {**data, "url": value}
    if kind == "URL":
        parse_url(value)  # has the reason
    if kind == "PORT":
        return {"port": number_from(value, 1, 65535)}
    return {"address": value}
