"""The smaller parts of service data (docs/services.md): ports, tags, meta, health, times, checks, extra records.

Every function raises ValueError whose text says what was expected and what was found; none raises anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from dnsdisco.model.probe_target import template
from dnsdisco.model.public import is_secret
from dnsdisco.model.service import Check, Health, Port, Record, TRANSPORTS
from dnsdisco.written.units import duration_s, number_from, shown, unexpected, whole_seconds

TTL_S_MAX = 3600  # of a service: an answer that lives longer hides every change
RECORD_TTL_S_MAX = 2**31 - 1  # RFC 2181 §8
INTERVAL_S_MAX = 86400.0  # of a check: one a day is no check of health any more
TEXT_CHARACTERS_MAX = 255  # of an id, a tag, a meta key: one character-string (RFC 1035 §3.3)
ENTRIES_MAX = 10_000  # tags, ports, keys of meta, records: more than a DNS message holds, and a second's work for some millions
VALUE_CHARACTERS_MAX = 65535  # of a meta or record value: more than a DNS message holds

_HEALTH = {
    "passing": Health.PASSING,
    "healthy": Health.PASSING,
    "up": Health.PASSING,
    "warning": Health.WARNING,
    "critical": Health.CRITICAL,
    "unhealthy": Health.CRITICAL,
    "down": Health.CRITICAL,
}
_PORT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,60}[a-z0-9])?")  # with the `_` before it, one label of 63 octets
_RECORD_TYPE = re.compile(r"[A-Z][A-Z0-9-]{0,31}")
_CHECK_KEYS = frozenset({"http", "tcp", "interval", "timeout", "rise", "fall", "initial", "verify"})
_RECORD_KEYS = frozenset({"type", "value", "name", "ttl"})
_PORT_KEYS = frozenset({"port", "name", "protocol"})


def text_from(value: Any, maximum: int = TEXT_CHARACTERS_MAX) -> str:
    """One printable line. Numbers and booleans become their text as YAML and JSON write it."""
    if not isinstance(value, str):
        if value is None or isinstance(value, bool):
            value = "" if value is None else str(value).lower()
        elif isinstance(value, (int, float)) and not (isinstance(value, int) and value.bit_length() > 256):
            value = str(value)
        else:
            raise unexpected("a text", value)
    if len(value) > maximum:
        raise ValueError(f"expected a text of at most {maximum} characters, found {len(value)}")
    if not value.isprintable():
        raise unexpected("a text without control characters", value)
    return str(value)


def tags_from(value: Any) -> tuple[str, ...]:
    """Each tag once, in the order given. A text alone is one tag."""
    if value is None:
        return ()
    if isinstance(value, (str, int, float)):
        value = [value]
    if not isinstance(value, (Sequence, set, frozenset)):
        raise unexpected("a list of tags", value)
    _not_too_many(value)
    tags = tuple(dict.fromkeys(text_from(tag) for tag in value))
    if "" in tags:
        raise ValueError("expected tags with at least one character, found an empty one")
    return tags


def _not_too_many(value: Sized) -> None:
    if len(value) > ENTRIES_MAX:
        raise ValueError(f"expected at most {ENTRIES_MAX} entries, found {len(value)}")


def meta_from(value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise unexpected("a mapping of keys to texts", value)
    _not_too_many(value)
    return tuple((name := text_from(key), _meta_value(name, each)) for key, each in value.items())


def _meta_value(key: str, value: Any) -> str:
    try:
        return text_from(value, VALUE_CHARACTERS_MAX)
    except ValueError:
        if is_secret(key):  # not to be shown
            raise ValueError(f"expected a text without control characters, found something else at {shown(key)}") from None
        raise


def health_from(value: Any) -> Health:
    if value is None:
        return Health.PASSING
    if isinstance(value, Health):
        return value
    health = _HEALTH.get(value.lower()) if isinstance(value, str) else None
    if health is None:
        raise unexpected("passing, warning or critical", value)
    return health


def ttl_from(value: Any, maximum: int = TTL_S_MAX) -> int | None:
    """Whole seconds; None: not given."""
    if value is None:
        return None
    return whole_seconds(value, 0, maximum)


def port_of_scheme(number: int, scheme: str) -> Port:
    """A bare port is named after the scheme; tcp and udp are no names: they are the transport."""
    if scheme in TRANSPORTS:
        return Port(number, "", scheme)
    return Port(number, scheme if _PORT_NAME.fullmatch(scheme) else "")


def ports_from(value: Any) -> tuple[Port, ...]:
    """`{http: 8080, dns: 53/udp}`, or a list of numbers, of such texts, and of `{name, port, protocol}`."""
    if isinstance(value, Mapping):
        _not_too_many(value)
        return tuple(_port(each, name) for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        _not_too_many(value)
        return tuple(_port(each, "") for each in value)
    raise unexpected("a mapping of names to ports", value)


def check_from(value: Any) -> Check | None:
    """Keys that mean nothing are passed over: unknown_in_check() names them."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise unexpected("a mapping such as {http: 'http://{address}:{port}/health', interval: 10s}", value)
    http, tcp = text_from(value.get("http"), VALUE_CHARACTERS_MAX), text_from(value.get("tcp"))
    if bool(http) == bool(tcp):
        raise ValueError(f"expected one of http and tcp, found {'both' if http else 'neither'}")
    template(http, tcp)
    defaults = Check()
    return Check(
        http=http,
        tcp=tcp,
        interval_s=duration_s(value.get("interval", defaults.interval_s), 0.1, INTERVAL_S_MAX),
        timeout_s=duration_s(value.get("timeout", defaults.timeout_s), 0.01, INTERVAL_S_MAX),
        rise=number_from(value.get("rise", defaults.rise), 1, 100),
        fall=number_from(value.get("fall", defaults.fall), 1, 100),
        initial=health_from(value.get("initial")),
        verify=_truth(value.get("verify", defaults.verify)),
    )


def unknown_in_check(value: Any) -> list[str]:
    """The keys of a check that mean nothing here."""
    return [str(key) for key in value if key not in _CHECK_KEYS] if isinstance(value, Mapping) else []


def record_from(value: Any) -> Record:
    """One of `records:`. The control room decides whether the value makes sense for its type."""
    if not isinstance(value, Mapping):
        raise unexpected("a mapping such as {type: TXT, value: text}", value)
    for key in value:
        if key not in _RECORD_KEYS:
            raise unexpected("type, value, name and ttl", key)
    rtype = text_from(value.get("type")).upper()
    if not _RECORD_TYPE.fullmatch(rtype):
        raise unexpected("a record type such as TXT or TYPE65280", value.get("type"))
    name = text_from(value.get("name"))
    ttl = ttl_from(value.get("ttl"), RECORD_TTL_S_MAX)
    return Record(rtype, _record_value(rtype, value.get("value")), "" if name == "@" else name, ttl)


def _record_value(rtype: str, value: Any) -> str | tuple[str, ...]:
    if rtype == "TXT":
        strings = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if value is None or not strings:
            raise ValueError("expected a `value`, found nothing")
        return tuple(text_from(string, VALUE_CHARACTERS_MAX) for string in strings)
    text = text_from(value, VALUE_CHARACTERS_MAX).strip()
    if not text:
        raise ValueError("expected a `value`, found nothing")
    return text


def _truth(value: Any) -> bool:
    word = str(value).lower() if isinstance(value, (bool, str)) else ""
    if word not in ("true", "false"):
        raise unexpected("true or false", value)
    return word == "true"


def _port(value: Any, name: Any) -> Port:
    protocol = ""
    if isinstance(value, Mapping):
        for key in value:
            if key not in _PORT_KEYS:
                raise unexpected("port, name and protocol", key)
        name = value.get("name", name)
        protocol = text_from(value.get("protocol"))
        value = value.get("port")
    elif isinstance(value, str):
        value, _, protocol = value.partition("/")
    protocol = protocol.lower()
    if protocol and protocol not in TRANSPORTS:
        raise unexpected("tcp, udp or sctp", protocol)
    label = text_from(name).lower()
    if label and not _PORT_NAME.fullmatch(label):
        raise unexpected("a port name of letters, digits and -", name)
    return Port(number_from(value, 1, 65535), label, protocol)
