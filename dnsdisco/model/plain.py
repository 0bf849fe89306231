"""A service as plain lists of JSON and back: one form for a view on disk and for the link to a worker. Data only, which can run no code.

What comes from the disk is checked field by field (`checked_service`): somebody may have written there. What comes over the link is
trusted: control wrote it, and the link bounds its size (delta.py). Anything wrong in it raises some exception, and the worker asks anew.

Positional, because a hundred thousand instances would repeat every key. A new field goes to the end of its list, with a default that
is left out; any other change of the lists is a new VERSION in control/stored_view.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dnsdisco.errors import WireError
from dnsdisco.model import rules
from dnsdisco.model.entry import Entry, ExtraRecord, Path
from dnsdisco.model.public import LEFT_OUT_OCTETS_MAX, reason_from
from dnsdisco.model.service import Check, Health, Instance, INSTANCES_MAX, LeftOut, Port, Record, Service, TRANSPORTS, WEIGHT_MAX
from dnsdisco.written.units import shown

NAME_OCTETS_MAX = 254  # of labels with an octet for the length of each, without the root (RFC 1035 §2.3.4)
PORT_MAX = 65535
TIMES_MAX = 65535  # checks in a row
TTL_MAX = 2**31 - 1  # RFC 2181 §8
CHECK_S_MAX = 86400  # between two checks

_HEALTHS = tuple(Health)
_ALWAYS_THERE = 3  # id, address and ports of an instance
_AT_REASON, _AT_INSTANCES, _AT_LEFT_OUT, _AT_ALIASES = 12, 12, 13, 14  # the places of these fields
_DEFAULTS: list[Any] = [None] * _ALWAYS_THERE + [1, 1, 0, 0, [], [], "", "", False, ""]  # those at the end are left out


def instance_to_plain(instance: Instance, *, is_published: bool) -> list[Any]:
    """*is_published*: its label is made already, so a worker needs no host name and no node, of which labels are made."""
    plain: list[Any] = [
        instance.id,
        instance.address,
        [[port.number, port.name, port.protocol] for port in instance.ports],
        instance.weight,
        instance.warning_weight,
        instance.priority,
        int(instance.health),
        list(instance.tags),
        [list(pair) for pair in instance.meta],
        "" if is_published else instance.hostname,
        "" if is_published else instance.node,
        instance.is_virtual,
        instance.reason,
    ]
    kept = len(plain)
    while kept > _ALWAYS_THERE and plain[kept - 1] == _DEFAULTS[kept - 1]:
        kept -= 1
    del plain[kept:]
    return plain


def instance_from_plain(plain: list[Any], label: str = "") -> Instance:
    id_, address, ports, weight, warning_weight, priority, health, tags, meta, hostname, node, is_virtual, reason = (
        plain + _DEFAULTS[len(plain) :]
    )
    return Instance(
        id_,
        address,
        tuple([Port(*port) for port in ports]),
        weight,
        warning_weight,
        priority,
        tuple(tags),
        _pairs(meta),
        _HEALTHS[health],
        hostname,
        node,
        is_virtual,
        label,
        reason,
    )


def service_to_plain(service: Service, *, is_published: bool = False) -> list[Any]:
    """*is_published*: without what control has made records, checks and rules of, and without instances (entry_to_plain adds them)."""
    return [
        service.name,
        service.namespace,
        service.is_default_namespace,
        service.url,
        service.scheme,
        service.ttl,
        list(service.tags),
        [list(pair) for pair in service.meta],
        [] if is_published else [[each.type, _value_to_plain(each), each.name, each.ttl] for each in service.records],
        None if is_published or service.check is None else _check_to_plain(service.check),
        "" if is_published else service.when_all_unhealthy,
        service.alias_of,
        [] if is_published else [instance_to_plain(instance, is_published=False) for instance in service.instances],
        None if service.left_out is None else list(service.left_out),
        [] if is_published else list(service.aliases),
    ]


def service_from_plain(plain: list[Any], instances: tuple[Instance, ...] | None = None) -> Service:
    """*instances*: those to take in place of the ones in *plain*. Labels are not in *plain*: they are made anew."""
    name, namespace, is_default, url, scheme, ttl, tags, meta, records, check, rule, alias_of, own, left_out, aliases = plain
    return Service(
        name,
        namespace,
        is_default,
        tuple(map(instance_from_plain, own)) if instances is None else instances,
        url,
        scheme,
        ttl,
        tuple(tags),
        _pairs(meta),
        tuple([Record(rtype, tuple(value) if type(value) is list else value, owner, ttl) for rtype, value, owner, ttl in records]),
        None if check is None else _check_from_plain(check),
        rule,
        alias_of,
        None if left_out is None else LeftOut(*left_out),
        tuple(aliases),
    )


def checked_service(plain: Any) -> Service:
    """The service that service_to_plain() wrote. Raises ValueError for anything that it does not write. Cuts long reasons in *plain*."""
    if type(plain) is list and len(plain) == _AT_LEFT_OUT:
        plain = [*plain, None]  # from before `left_out`
    if type(plain) is list and len(plain) == _AT_ALIASES:
        plain = [*plain, []]  # from before `aliases`
    _service(plain)
    for instance in plain[_AT_INSTANCES]:
        if len(instance) > _AT_REASON:
            instance[_AT_REASON] = reason_from(instance[_AT_REASON])
    if plain[_AT_LEFT_OUT]:
        plain[_AT_LEFT_OUT][1] = reason_from(plain[_AT_LEFT_OUT][1], LEFT_OUT_OCTETS_MAX)
    return service_from_plain(plain)


def entry_to_plain(entry: Entry, instances: Iterable[Instance]) -> dict[str, Any]:
    """*instances*: the first of its own; the others follow (delta.py)."""
    return {
        "paths": [list(path) for path in entry.paths],
        "provider": entry.provider,
        "service": service_to_plain(entry.service, is_published=True),
        "fails_open": entry.fails_open,
        "records": [extra_to_plain(extra) for extra in entry.records],
        "instances": published_instances(instances),
        **({"shadows": list(entry.shadows)} if entry.shadows else {}),
        **({"merged": list(entry.merged)} if entry.merged else {}),
    }


def entry_from_plain(plain: dict[str, Any], instances: tuple[Instance, ...]) -> Entry:
    """*instances*: made of those in *plain*, and in what continues it."""
    paths = tuple(map(path_from_plain, plain["paths"]))
    return Entry(
        ".".join(paths[0]),
        paths,
        plain["provider"],
        service_from_plain(plain["service"], instances),
        tuple(map(extra_from_plain, plain["records"])),
        plain["fails_open"],
        shadows=tuple(plain.get("shadows", ())),
        merged=tuple(plain.get("merged", ())),
    )


def published_instances(instances: Iterable[Instance]) -> list[list[Any]]:
    """Each one behind its label."""
    return [[instance.label, *instance_to_plain(instance, is_published=True)] for instance in instances]


def instances_from_published(plain: Iterable[list[Any]]) -> list[Instance]:
    return [instance_from_plain(each[1:], each[0]) for each in plain]


def extra_to_plain(extra: ExtraRecord) -> list[Any]:
    return [list(extra.owner), extra.rtype, extra.ttl, extra.rdata.hex()]


def extra_from_plain(plain: list[Any]) -> ExtraRecord:
    owner, rtype, ttl, rdata = plain
    return ExtraRecord(path_from_plain(owner), rtype, ttl, bytes.fromhex(rdata))


def path_from_plain(labels: list[str]) -> Path:
    """Raises WireError for what no name can hold, before anything is made of it: an index of names grows with the square of their labels."""
    if type(labels) is not list or sum(map(len, labels)) + len(labels) > NAME_OCTETS_MAX:
        raise WireError(f"a name on the link is no list of labels of at most {NAME_OCTETS_MAX} octets", None)
    return tuple(labels)


def _pairs(plain: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(key, value) for key, value in plain])


def _value_to_plain(record: Record) -> str | list[str]:
    return record.value if isinstance(record.value, str) else list(record.value)


def _check_to_plain(check: Check) -> list[Any]:
    return [check.http, check.tcp, check.interval_s, check.timeout_s, check.rise, check.fall, int(check.initial), check.verify]


def _check_from_plain(plain: list[Any]) -> Check:
    http, tcp, interval_s, timeout_s, rise, fall, initial, verify = plain
    return Check(http, tcp, interval_s, timeout_s, rise, fall, _HEALTHS[initial], verify)


# What is good on the disk: one rule for each field, in its order.


def _address(plain: Any) -> None:
    from dnsdisco.model.address import canonical_address  # noqa: PLC0415  a worker checks nothing, and starts without it

    rules.text(plain)
    if canonical_address(plain) != plain:
        raise ValueError(f"an address in another form: {shown(plain)}")


def _alias(plain: Any) -> None:
    if plain != "":
        _address(plain)


def _record_value(plain: Any) -> None:
    (rules.text if type(plain) is str else _texts)(plain)


_texts = rules.each(rules.text)
_meta = rules.each(rules.list_of(rules.text, rules.text))
_ttl = rules.or_null(rules.whole(0, TTL_MAX))
_weight = rules.whole(0, WEIGHT_MAX)
_times = rules.whole(1, TIMES_MAX)
_health = rules.whole(0, len(_HEALTHS) - 1)
_port = rules.list_of(rules.whole(1, PORT_MAX), rules.text, rules.word("", *TRANSPORTS))
_record = rules.list_of(rules.text, _record_value, rules.text, _ttl)
_check = rules.list_of(
    rules.text, rules.text, rules.seconds(CHECK_S_MAX), rules.seconds(CHECK_S_MAX), _times, _times, _health, rules.truth
)
_instance = rules.list_of(
    rules.text,
    _address,
    rules.each(_port),
    _weight,  # weight, warning_weight, priority
    _weight,
    _weight,
    _health,
    _texts,
    _meta,
    rules.text,  # hostname, node
    rules.text,
    rules.truth,
    rules.text,
    least=_ALWAYS_THERE,
)
_service = rules.list_of(
    rules.some_text,
    rules.text,
    rules.truth,
    rules.text,  # url, scheme
    rules.text,
    _ttl,
    _texts,
    _meta,
    rules.each(_record),
    rules.or_null(_check),
    rules.word("", "fail_open", "empty"),
    _alias,
    rules.each(_instance),
    rules.or_null(rules.list_of(rules.whole(0, INSTANCES_MAX), rules.text)),
    rules.each(rules.some_text),
)
