"""The configuration as a worker uses it, made from the plain form that the supervisor and control send (docs/configuration.md for the keys)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dnsdisco.answer.admit import Admission
from dnsdisco.answer.rate import RateLimits
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.cache.limits import CacheLimits
from dnsdisco.forward.settings import ForwardSettings
from dnsdisco.server.answer_policy import AnswerPolicy
from dnsdisco.zone.settings import zone_labels, ZoneSettings

_CACHE_KEYS = {"size": "entries"}  # where the configuration's word is not the cache's
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where one can be reached that listens everywhere


class WorkerSettings(NamedTuple):
    """`policy` lacks one thing: whether anything is forwarded at all, which changes with resolv.conf."""

    answers: AnswerSettings
    allow: tuple[str, ...]
    forward: ForwardSettings
    cache: CacheLimits = CacheLimits()
    rate: RateLimits = RateLimits()
    own: tuple[str, ...] = ()  # the addresses of this host that are listened on
    log_level: str = "info"
    log_format: str = "text"
    stale_after_s: float = 30.0  # without a message from control; then answers are marked stale
    tls: tuple[str, str | None] | None = None  # the files of certificate and key (None: in the first one)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], listen_addresses: Iterable[str] = ()) -> WorkerSettings:
        """From the normalised configuration; a key that is missing has its default. *listen_addresses*: IP texts, for the NS name.

        Raises WireError, ValueError or TypeError for what the configuration room would not have let through.
        """
        forward = ForwardSettings.from_plain(plain.get("forward") or {})
        identity = plain.get("identity") or {}
        tls = plain.get("tls") or {}
        addresses = tuple(dict.fromkeys(_WILDCARDS.get(address, address).partition("%")[0] for address in listen_addresses))
        default = ZoneSettings()
        zone = ZoneSettings(
            zones=tuple(map(zone_labels, plain["zones"])) if plain.get("zones") else default.zones,
            ttl=int(plain.get("ttl", default.ttl)),
            negative_ttl=int(plain.get("negative_ttl", default.negative_ttl)),
            max_answers=int(plain.get("max_answers", default.max_answers)),
            srv_weight_scale=int(plain.get("srv_weight_scale", default.srv_weight_scale)),
            server_addresses=addresses or default.server_addresses,
        )
        answers = AnswerSettings(
            zone=zone,
            version=str(identity.get("version") or ""),
            server_id=str(identity.get("server_id") or ""),
            overrides=frozenset(zone_labels(name) for name, _ in forward.zones),
            rebind_protection=bool((plain.get("forward") or {}).get("rebind_protection")),
            rebind_allowed=frozenset(map(zone_labels, (plain.get("forward") or {}).get("rebind_allowed") or ())),
        )
        allow = (plain.get("acl") or {}).get("allow")
        cache = {_CACHE_KEYS.get(key, key): int(value) for key, value in (plain.get("cache") or {}).items()}
        settings = cls(
            answers,
            ("127.0.0.0/8", "::1/128", "private") if allow is None else tuple(allow),
            forward,
            CacheLimits(**cache),
            _rate(plain.get("rate_limit") or {}, int(plain.get("workers") or 1)),
            addresses,
            str(plain.get("log_level") or "info"),
            str(plain.get("log_format") or "text"),
            float(plain.get("stale_after", cls._field_defaults["stale_after_s"])),
            (str(tls["certificate"]), tls.get("key")) if tls.get("certificate") else None,
        )
        settings.policy(recursion=False)  # a network that is none is found now, not with the first query
        return settings

    def policy(self, *, recursion: bool) -> AnswerPolicy:
        admission = Admission(self.allow, self.rate, self.own)
        is_off = not (
            recursion or self.forward.upstreams or self.forward.zones
        )  # by the configuration: nothing of others is given, kept or not
        cache = self.cache._replace(entries=0) if is_off else self.cache
        return AnswerPolicy(self.answers, admission, recursion, self.forward.trust_ad, cache=cache, origin=self.forward)


def _rate(plain: Mapping[str, Any], workers: int) -> RateLimits:
    """One worker's share: the kernel spreads the questions of a network over all of them by their ports."""
    given: dict[str, Any] = {key: tuple(value) if key == "exempt" else int(value) for key, value in plain.items()}
    limits = RateLimits(**given)
    return limits._replace(responses_per_second=-(-limits.responses_per_second // workers))
