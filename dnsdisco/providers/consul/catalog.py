"""The questions that are asked of an agent, and when an answer is not to be believed.

With ACLs an agent does not refuse a token that may see nothing: it answers 200 with less, or with nothing. Taken for the truth, that
would delete every name. So an answer counts as denied when it is marked as filtered by ACLs, when `consul`, which every server registers
itself, is gone, and when there is nothing at all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from dnsdisco.providers.consul.agent import Agent, AgentError, AgentReply, is_askable
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.entries import fingerprint, read_entries, Reading, refused_name, Wanted
from dnsdisco.providers.consul.options import Options
from dnsdisco.providers.forked import Lock
from dnsdisco.providers.log import logger

CONSUL = "consul"
LOGGED_MAX = 10_000  # faults remembered, so that each is logged once; then they may be logged again
SHOWN_MAX = 20  # faults logged one by one, of a service at once

POLICY = 'it needs service_prefix "" {policy = "read"} and node_prefix "" {policy = "read"}'
# A check that is not passing, by whose change of presence a service's health has changed. Passing ones are most, and of no use here.
NOT_PASSING = 'Status != "passing"'

Names = dict[str, tuple[str, ...]]  # service: the tags of all its instances together


class Failing(NamedTuple):
    """`service` "": a check of the whole node."""

    node: str
    check: str
    status: str
    service: str


class AgentCatalog:
    """Shared by all threads of one provider. Every question blocks and raises AgentError."""

    def __init__(self, options: Options, credentials: Credentials) -> None:
        self.options = options
        self.wanted = Wanted(frozenset(options.tags), options.proxies)
        self._credentials = credentials
        self.refused_names = 0  # of the last list
        self._had_consul = False
        self._usable: set[str] = set()  # names of the last list that can be services for us
        self._logged: set[tuple[str, str, str]] = set()
        self._lock = Lock()  # around _logged

    def connect(self) -> Agent:
        """Does no I/O; the first question connects."""
        return Agent(self.options, self._credentials)

    def names(self, agent: Agent, index: int = 0, wait_s: float = 0.0) -> tuple[Names, int]:
        """Every service of the datacenter that can be one for us, and the index. Raises for a list that cannot be true."""
        reply = agent.get("/v1/catalog/services", index=index, wait_s=wait_s)
        data = self._checked(reply, dict, "the list of services")
        may_lose_consul = self.options.allow_filtered or not self._had_consul
        if not data or not (CONSUL in data or may_lose_consul):
            what = "no service at all" if not data else "no service `consul`, which it listed before"
            raise denied(f"the agent lists {what}; the token may not read the catalog: {POLICY}")
        self._had_consul |= CONSUL in data
        names: Names = {}
        usable = set(self._usable & data.keys())
        for name, tags in data.items():
            if name not in self._usable:  # most are, every time
                reason = refused_name(name)
                if reason:
                    self.log(str(name), [("", reason)])
                    continue
                usable.add(name)
            merged = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
            if self.wanted.tags.issubset(merged):
                names[name] = merged
        self._usable = usable
        self.refused_names = len(data) - len(usable)
        return names, reply.index

    def can_be_asked(self, name: str) -> bool:
        return not refused_name(name)

    def service(self, agent: Agent, name: str, index: int = 0, wait_s: float = 0.0) -> tuple[Reading, int]:
        """Its instances in every state of health, and the index. None, without an index, are believed only while `consul` has some."""
        reading, new = self._read(agent, name, index, wait_s)
        if (
            reading.is_empty
            and index == 0
            and name != CONSUL
            and self._had_consul
            and self._read(agent, CONSUL, 0, 0.0)[0].is_empty
        ):
            self.check_empty(CONSUL)
        return reading, new

    def failing(self, agent: Agent, index: int = 0, wait_s: float = 0.0) -> tuple[frozenset[Failing], int]:
        """The checks of the datacenter that do not pass. Blocks until any check changes, also one that passes before and after."""
        reply = agent.get("/v1/health/state/any", index=index, wait_s=wait_s, filter=NOT_PASSING)
        checks = self._checked(reply, list, "the checks")
        keys = ("Node", "CheckID", "Status", "ServiceName")
        return frozenset(
            Failing(*(str(check.get(key)) for key in keys)) for check in checks if isinstance(check, dict)
        ), reply.index

    def nodes(self, agent: Agent) -> list[str]:
        data = self._checked(agent.get("/v1/catalog/nodes"), list, "the nodes")
        names = (node.get("Node") for node in data if isinstance(node, dict))
        return [name for name in names if isinstance(name, str) and name.isprintable() and is_askable(name)]

    def fingerprints(self, agent: Agent, nodes: Iterable[str], over: threading.Event) -> dict[str, int]:
        """The fingerprint of every service on *nodes*: a service with another one has changed. One question a node; ends early with *over*."""
        marks: dict[str, int] = {}
        for name in nodes:
            if over.is_set():
                break
            data = agent.get("/v1/catalog/node-services", name).data
            if not isinstance(data, dict):  # null: the node has gone
                continue
            node, services = data.get("Node"), data.get("Services")
            if not isinstance(node, dict) or not isinstance(services, list):
                continue
            for service in services:
                if not isinstance(service, dict):
                    continue
                key = str(service.get("Service"))
                mark = fingerprint(node.get("Node"), node.get("ModifyIndex"), service.get("ID"), service.get("ModifyIndex"))
                marks[key] = marks.get(key, 0) ^ mark
        return marks

    def check_empty(self, name: str) -> None:
        """Raises AgentError where it cannot be true that *name*, which is listed, has no instance."""
        if name == CONSUL:
            raise denied(f"the agent lists services and hides their instances; the token may not read nodes: {POLICY}")

    def log(self, name: str, faults: list[tuple[str, str]]) -> None:
        """Log the reasons why parts of the service are left out, each once."""
        with self._lock:
            fresh = [fault for fault in dict.fromkeys(faults) if (name, *fault) not in self._logged]
            if len(self._logged) + len(fresh) > LOGGED_MAX:
                self._logged.clear()
            self._logged.update((name, *fault) for fault in fresh[:LOGGED_MAX])
        for instance, reason in fresh[:SHOWN_MAX]:
            logger().warning("left out", provider=CONSUL, service=name, reason=f"{instance}: {reason}" if instance else reason)
        if len(fresh) > SHOWN_MAX:
            logger().warning("left out", provider=CONSUL, service=name, more=len(fresh) - SHOWN_MAX)

    def _read(self, agent: Agent, name: str, index: int, wait_s: float) -> tuple[Reading, int]:
        try:
            reply = agent.get("/v1/health/service", name, index=index, wait_s=wait_s)
        except AgentError as error:
            if error.kind != "redirect":
                raise
            self.log(name, [("", "a name with empty or dotted parts; this agent cannot be asked for it")])
            return Reading(None, [], is_empty=False, fingerprint=0), 0
        reading = read_entries(name, self._checked(reply, list, f"the instances of {name}"), self.wanted)
        if reading.faults:
            self.log(name, reading.faults)
        return reading, reply.index

    def _checked(self, reply: AgentReply, kind: type, what: str) -> Any:
        if reply.is_filtered and not self.options.allow_filtered:
            hint = "; `allow_filtered: true` takes the part that it may see for the whole"
            raise denied(f"ACLs hide a part of {what}: {POLICY}{hint}")
        if not isinstance(reply.data, kind):
            raise AgentError(f"{what}: expected a {kind.__name__}, found {type(reply.data).__name__}", "malformed")
        return reply.data


def denied(reason: str) -> AgentError:
    return AgentError(reason, "denied", is_denied=True)
