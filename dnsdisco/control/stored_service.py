"""A Service as plain lists for the disk, and back. Everything a provider's view says survives; what is read is checked field by field.

Positional, because a hundred thousand instances repeat every key: a change of the fields is a new VERSION in stored_view.py. One more
at the end, with a default, is none: what was written without it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dnsdisco.model.address import canonical_address, TRANSPORTS
from dnsdisco.model.instances import INSTANCES_MAX
from dnsdisco.model.public import LEFT_OUT_OCTETS_MAX, reason_from
from dnsdisco.model.service import Check, Health, Instance, LeftOut, Port, Record, Service

UINT16_MAX = 65535  # weights, priorities and ports (RFC 2782)
TTL_MAX = 2**31 - 1  # RFC 2181 §8

_INSTANCE_DEFAULTS: tuple[Any, ...] = (1, 1, 0, 0, [], [], "", "", False, "")  # of the fields after the ports; left out at the end
_ALWAYS_TOLD = 3  # id, address, ports
_FIELDS = 14
_RULES = frozenset({"", "fail_open", "empty"})
_PROTOCOLS = TRANSPORTS | {""}
_HEALTHS = tuple(Health)

T = TypeVar("T")


def service_to_plain(service: Service) -> list[Any]:
    return [
        service.name,
        service.namespace,
        service.is_default_namespace,
        service.url,
        service.scheme,
        service.ttl,
        list(service.tags),
        [list(pair) for pair in service.meta],
        [[record.type, _value_to_plain(record), record.name, record.ttl] for record in service.records],
        None if service.check is None else _check_to_plain(service.check),
        service.when_all_unhealthy,
        service.alias_of,
        [_instance_to_plain(instance) for instance in service.instances],
        None if service.left_out is None else list(service.left_out),
    ]


def service_from_plain(plain: Any) -> Service:
    """Raises ValueError for anything that service_to_plain() does not write. Labels are not kept: they are made anew."""
    has_all = type(plain) is not list or len(plain) != _FIELDS - 1
    fields = _list(plain if has_all else [*plain, None], _FIELDS)
    name, rule, alias = _text(fields[0]), _text(fields[10]), _text(fields[11])
    if not name or (alias and canonical_address(alias) != alias):
        raise ValueError("a service without a name, or with an alias that is none")
    if rule not in _RULES:
        raise ValueError("no rule of that name")
    return Service(
        name,
        namespace=_text(fields[1]),
        is_default_namespace=_truth(fields[2]),
        url=_text(fields[3]),
        scheme=_text(fields[4]),
        ttl=_ttl(fields[5]),
        tags=_each(fields[6], _text),
        meta=_each(fields[7], _pair),
        records=_each(fields[8], _record),
        check=None if fields[9] is None else _check(fields[9]),
        when_all_unhealthy=rule,
        alias_of=alias,
        instances=_each(fields[12], _instance),
        left_out=None if fields[13] is None else _left_out(fields[13]),
    )


def _instance_to_plain(instance: Instance) -> list[Any]:
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
        instance.hostname,
        instance.node,
        instance.is_virtual,
        instance.reason,
    ]
    while len(plain) > _ALWAYS_TOLD and plain[-1] == _INSTANCE_DEFAULTS[len(plain) - 1 - _ALWAYS_TOLD]:
        plain.pop()
    return plain


def _instance(plain: Any) -> Instance:
    if type(plain) is not list or not _ALWAYS_TOLD <= len(plain) <= _ALWAYS_TOLD + len(_INSTANCE_DEFAULTS):
        raise ValueError("not the fields of an instance")
    address = _text(plain[1])
    if canonical_address(address) != address:
        raise ValueError("an address in another form")
    id_, ports = _text(plain[0]), _each(plain[2], _port)
    if len(plain) == _ALWAYS_TOLD:
        return Instance(id_, address, ports)
    told = plain + list(_INSTANCE_DEFAULTS[len(plain) - _ALWAYS_TOLD :])
    return Instance(
        id_,
        address,
        ports,
        weight=_number(told[3], 0, UINT16_MAX),
        warning_weight=_number(told[4], 0, UINT16_MAX),
        priority=_number(told[5], 0, UINT16_MAX),
        health=_HEALTHS[_number(told[6], 0, len(_HEALTHS) - 1)],
        tags=_each(told[7], _text),
        meta=_each(told[8], _pair),
        hostname=_text(told[9]),
        node=_text(told[10]),
        is_virtual=_truth(told[11]),
        reason=reason_from(_text(told[12])),
    )


def _left_out(plain: Any) -> LeftOut:
    count, reason = _list(plain, 2)
    return LeftOut(_number(count, 0, INSTANCES_MAX), reason_from(_text(reason), LEFT_OUT_OCTETS_MAX))


def _port(plain: Any) -> Port:
    number, name, protocol = _list(plain, 3)
    if _text(protocol) not in _PROTOCOLS:
        raise ValueError("no transport of that name")
    return Port(_number(number, 1, UINT16_MAX), _text(name), protocol)


def _value_to_plain(record: Record) -> str | list[str]:
    return record.value if isinstance(record.value, str) else list(record.value)


def _record(plain: Any) -> Record:
    rtype, value, name, ttl = _list(plain, 4)
    return Record(_text(rtype), value if isinstance(value, str) else _each(value, _text), _text(name), _ttl(ttl))


def _check_to_plain(check: Check) -> list[Any]:
    return [check.http, check.tcp, check.interval_s, check.timeout_s, check.rise, check.fall, int(check.initial), check.verify]


def _check(plain: Any) -> Check:
    http, tcp, interval_s, timeout_s, rise, fall, initial, verify = _list(plain, 8)
    return Check(
        _text(http),
        _text(tcp),
        _duration_s(interval_s),
        _duration_s(timeout_s),
        _number(rise, 1, UINT16_MAX),
        _number(fall, 1, UINT16_MAX),
        _HEALTHS[_number(initial, 0, len(_HEALTHS) - 1)],
        _truth(verify),
    )


def _list(plain: Any, length: int) -> list[Any]:
    if type(plain) is not list or len(plain) != length:
        raise ValueError(f"not a list of {length}")
    return plain


def _each(plain: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    if type(plain) is not list:
        raise ValueError("not a list")
    return tuple(map(read, plain))


def _text(plain: Any) -> str:
    if type(plain) is not str:
        raise ValueError("not a text")
    return plain


def _truth(plain: Any) -> bool:
    if type(plain) is not bool:
        raise ValueError("neither true nor false")
    return plain


def _number(plain: Any, low: int, high: int) -> int:
    if type(plain) is not int or not low <= plain <= high:
        raise ValueError(f"not a whole number from {low} to {high}")
    return plain


def _duration_s(plain: Any) -> float:
    if type(plain) not in (int, float) or not 0 < plain <= 86400:
        raise ValueError("not a time between two checks")
    return float(plain)


def _ttl(plain: Any) -> int | None:
    return None if plain is None else _number(plain, 0, TTL_MAX)


def _pair(plain: Any) -> tuple[str, str]:
    key, value = _list(plain, 2)
    return _text(key), _text(value)
