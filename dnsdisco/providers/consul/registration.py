"""Service data become what the agent's own API takes: one instance, with a check that the agent runs itself."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from dnsdisco.errors import NotSupported
from dnsdisco.model.fields import health_from, INTERVAL_S_MAX, text_from, VALUE_CHARACTERS_MAX
from dnsdisco.model.service import Health, Instance, Service
from dnsdisco.model.service_data import fault_text, service_from_data
from dnsdisco.providers.consul.agent import Agent, AgentError
from dnsdisco.providers.consul.entries import SCHEME_KEY, URL_KEY
from dnsdisco.providers.consul.options import Options
from dnsdisco.providers.log import logger
from dnsdisco.written.units import did_you_mean, duration_s, number_from, unexpected

VISIBLE_S = 5.0  # an agent reports to the servers within milliseconds; until then other agents do not see the change
GONE_AFTER_S_MIN = 60.0  # the least that Consul takes for deregister_critical_after
INTERVAL_S, TIMEOUT_S = 10.0, 2.0

_KINDS = ("http", "tcp", "ttl", "grpc")
# Without underscores, so that Consul's own spelling, and python-consul's, mean the same.
_CHECK_KEYS = {
    "http": "http", "tcp": "tcp", "ttl": "ttl", "grpc": "grpc", "interval": "interval", "timeout": "timeout", "rise": "rise",
    "fall": "fall", "initial": "initial", "status": "initial", "successbeforepassing": "rise", "failuresbeforecritical": "fall",
    "deregistercriticalafter": "gone_after", "deregistercriticalserviceafter": "gone_after", "grpcusetls": "grpc_tls",
    "tlsskipverify": "no_verify", "verify": "verify", "method": "method", "header": "header", "name": "name",
}  # fmt: skip
_NOT_KEPT = ("ttl", "records", "when_all_unhealthy", "priority", "aliases")  # what Consul has no place for


class Registration(NamedTuple):
    instance_id: str
    body: dict[str, Any]  # of /v1/agent/service/register


def registration_of(name: str, data: Mapping[str, Any]) -> Registration:
    """Raises ValueError, with every reason, for data that make no instance."""
    if data.get("instances") is not None:
        raise ValueError("one instance at a time: expected address and port, found `instances`")
    service, faults = service_from_data(name, {key: value for key, value in data.items() if key != "check"})
    wrong = [fault_text(path, message) for path, message, is_warning in faults if not is_warning]
    if service is None or wrong:
        raise ValueError("; ".join(wrong) or "no service")
    if service.called != name:
        raise ValueError(
            f"name, namespace: it is registered as {name!r}, and Consul has no place for another name, or for a namespace of ours"
        )
    for path, message, _ in faults:
        logger().warning(f"{name}: {fault_text(path, message)}", provider="consul")
    for key in _NOT_KEPT:
        if data.get(key):
            logger().warning(f"{name}: {key}: Consul has no place for it", provider="consul")
    (instance,) = service.instances
    return Registration(instance.id, _body(service, instance, data.get("check")))


def register(agent: Agent, options: Options, name: str, registered: Registration) -> None:
    """Add it, or replace the one with its id, and wait until the datacenter's catalog has it.

    Raises AgentError, NotSupported where it would not be found among the services that we list, ValueError for data that the agent
    refuses and for an id that another service has.
    """
    _check_datacenter(agent, options)
    instance_id = registered.instance_id
    there = _registered(agent, instance_id)
    if there is not None and there != name:
        raise ValueError(f"id: {instance_id!r} is an instance of {there!r} on this agent, and an agent has every id once")
    agent.put("/v1/agent/service/register", data=registered.body, **{"replace-existing-checks": "true"})
    if not _until(lambda: any(_is_as(entry, registered.body) for entry in _entries(agent, name, instance_id))):
        logger().warning("registered with the agent, and not in the catalog yet", provider="consul", service=name)


def deregister(agent: Agent, options: Options, name: str, instance_id: str | None) -> bool:
    """Remove what this agent has of the service, also what others registered with it; False: nothing. Waits as register() does."""
    _check_datacenter(agent, options)
    services = agent.get("/v1/agent/services").data
    if not isinstance(services, dict):
        raise AgentError("the agent's own services: expected a dict", "malformed")
    ids = [
        service["ID"]
        for service in services.values()
        if isinstance(service, dict) and service.get("Service") == name and instance_id in (None, service.get("ID"))
    ]
    for each in ids:
        before = len(_entries(agent, name, each))
        agent.put("/v1/agent/service/deregister", each)
        _until(lambda each=each, before=before: len(_entries(agent, name, each)) < max(before, 1))
    return bool(ids)


def check_body(check: Any, instance: Instance, health: Health) -> dict[str, Any]:
    """A check as the agent takes it. Raises ValueError: a check that is not the one that was asked for would be worse than none."""
    if not isinstance(check, Mapping):
        raise unexpected("a mapping such as {http: 'http://{address}:{port}/health', interval: 10s}", check)
    said: dict[str, Any] = {}
    for key, value in check.items():
        known = _CHECK_KEYS.get(str(key).lower().replace("_", ""))
        if known is None:
            raise ValueError(f"{key}: unknown key{did_you_mean(str(key), _CHECK_KEYS)}")
        if value is not None:
            said[known] = value
    kinds = [kind for kind in _KINDS if said.get(kind)]
    if len(kinds) != 1:
        raise ValueError(f"expected one of http, tcp, ttl and grpc, found {' and '.join(kinds) or 'none'}")
    body: dict[str, Any] = {"Status": health_from(said["initial"]).word if "initial" in said else health.word}
    kind = kinds[0]
    if kind == "ttl":
        body["TTL"] = _go(duration_s(said["ttl"], 0.1, INTERVAL_S_MAX))
    else:
        target = _filled(text_from(said[kind], VALUE_CHARACTERS_MAX), instance)
        if kind == "http" and not target.lower().startswith(("http://", "https://")):
            raise unexpected("a URL that begins with http:// or https://", target)
        if kind != "http" and not re.fullmatch(r"[^/]+:[0-9]{1,5}(/.*)?", target):
            raise unexpected("an address and a port such as {address}:{port}", target)
        body |= {
            kind.upper(): target,
            "Interval": _go(duration_s(said.get("interval", INTERVAL_S), 0.1, INTERVAL_S_MAX)),
            "Timeout": _go(duration_s(said.get("timeout", TIMEOUT_S), 0.01, INTERVAL_S_MAX)),
        }
    if said.get("verify") is False:
        body["TLSSkipVerify"] = True
    if "gone_after" in said:
        body["DeregisterCriticalServiceAfter"] = _go(duration_s(said["gone_after"], GONE_AFTER_S_MIN, 365 * 86400.0))
    for key, field in (("rise", "SuccessBeforePassing"), ("fall", "FailuresBeforeCritical")):
        if key in said:
            body[field] = number_from(said[key], 1, 100)
    for key, field in (
        ("grpc_tls", "GRPCUseTLS"),
        ("no_verify", "TLSSkipVerify"),
        ("method", "Method"),
        ("header", "Header"),
        ("name", "Name"),
    ):
        if key in said:
            body[field] = said[key]
    return body


def _body(service: Service, instance: Instance, check: Any) -> dict[str, Any]:
    meta = dict(instance.meta)
    if service.scheme:
        meta.setdefault(SCHEME_KEY, service.scheme)
    if service.url:
        meta.setdefault(URL_KEY, service.url)
    body: dict[str, Any] = {
        "Name": service.name,
        "ID": instance.id,
        "Address": instance.address,
        "Tags": list(instance.tags),
        "Meta": meta,
        "Weights": {"Passing": instance.weight, "Warning": instance.warning_weight},
    }
    ports = instance.ports
    if len(ports) == 1 and ports[0].name in ("", service.scheme):
        body["Port"] = ports[0].number
    elif ports:
        body["Ports"] = [
            {"Name": port.name or f"port-{port.number}", "Port": port.number, **({"Default": True} if at == 0 else {})}
            for at, port in enumerate(ports)
        ]
    if check is not None:
        try:
            body["Check"] = check_body(check, instance, instance.health)
        except ValueError as error:
            raise ValueError(f"check: {error}") from None
    elif instance.health is not Health.PASSING:
        raise ValueError("health: Consul takes it from checks; give a `check`, and `initial` in it")
    return body


def _filled(target: str, instance: Instance) -> str:
    address = f"[{instance.address}]" if ":" in instance.address else instance.address
    target = target.replace("{address}", address)
    if "{port}" in target:
        if not instance.ports:
            raise ValueError("{port}: the instance has no port")
        target = target.replace("{port}", str(instance.ports[0].number))
    return target


def _go(seconds: float) -> str:
    """A duration as Go reads it."""
    return f"{round(seconds * 1000)}ms"


def _check_datacenter(agent: Agent, options: Options) -> None:
    """Raises NotSupported: an agent registers in its own datacenter, whichever we ask about."""
    if options.datacenter is None:
        return
    try:
        own = agent.get("/v1/agent/self").data["Config"]["Datacenter"]
    except (AgentError, KeyError, TypeError) as error:
        if isinstance(error, AgentError) and not error.is_denied:
            raise
        return  # the agent may hide it from us
    if own != options.datacenter:
        raise NotSupported(f"the agent registers in its own datacenter {own}, not in {options.datacenter}; ask an agent there")


def _registered(agent: Agent, instance_id: str) -> str | None:
    """The name of the service that this agent has under the id; None: none, or we may not know."""
    try:
        data = agent.get("/v1/agent/service", instance_id).data
    except AgentError as error:
        if error.status in {403, 404}:
            return None
        raise
    return data.get("Service") if isinstance(data, dict) else None


def _entries(agent: Agent, name: str, instance_id: str) -> list[dict[str, Any]]:
    """The catalog's entries under the id, of all nodes."""
    data = agent.get("/v1/health/service", name).data
    services = [entry.get("Service") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return [service for service in services if isinstance(service, dict) and service.get("ID") == instance_id]


def _is_as(entry: dict[str, Any], body: dict[str, Any]) -> bool:
    keys = ("Service", "Address", "Port", "Tags", "Meta", "Weights")
    wanted = {**body, "Service": body["Name"]}
    return all((entry.get(key) or None) == (wanted.get(key) or None) for key in keys if key in wanted)


def _until(is_so: Any) -> bool:
    """True if the condition became true within VISIBLE_S."""
    ends_at, pause_s = time.monotonic() + VISIBLE_S, 0.002
    while not is_so():
        if time.monotonic() >= ends_at:
            return False
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)
    return True
