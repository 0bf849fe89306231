"""The configuration as a worker uses it: the part of the settings that control sends it, and what is made of them once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dnsdisco.answer.admit import Admission
from dnsdisco.answer.settings import AnswerSettings
from dnsdisco.server.answer_policy import AnswerPolicy
from dnsdisco.settings.declared import Settings
from dnsdisco.settings.forms import from_plain
from dnsdisco.sockaddr import REACHED_AT
from dnsdisco.zone.settings import zone_labels, ZoneSettings


class WorkerSettings(NamedTuple):
    configured: Settings
    answers: AnswerSettings
    own: tuple[str, ...] = ()  # the addresses of this host that are listened on

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], listen_addresses: Iterable[str] = ()) -> WorkerSettings:
        """Make a worker's settings from the part that it gets. *listen_addresses*: IP texts, for the NS name.

        Raises WireError, ValueError or TypeError for a value that the configuration room would have refused.
        """
        configured = from_plain(Settings, plain)
        own = tuple(dict.fromkeys(REACHED_AT.get(address, address).partition("%")[0] for address in listen_addresses))
        zone = ZoneSettings(tuple(map(zone_labels, configured.zones)), own or ZoneSettings().server_addresses, configured)
        answers = AnswerSettings(
            zone,
            overrides=frozenset(zone_labels(name) for name, _ in configured.forward.zones),
            rebind_allowed=frozenset(map(zone_labels, configured.forward.rebind_allowed)),
        )
        settings = cls(configured, answers, own)
        settings.policy(recursion=False)  # a network that is none is found now, not with the first query
        return settings

    def policy(self, *, recursion: bool) -> AnswerPolicy:
        """*recursion*: something is forwarded now, which changes with resolv.conf."""
        configured = self.configured
        forward, limits = configured.forward, configured.rate_limit
        # One worker's share: the kernel spreads the questions of a network over all of them by their ports.
        share = limits._replace(responses_per_second=-(-limits.responses_per_second // configured.workers))
        admission = Admission(configured.acl.allow, share, self.own)
        is_off = not (
            recursion or forward.upstreams or forward.zones
        )  # by the configuration: nothing of others is given, kept or not
        cache = configured.cache._replace(size=0) if is_off else configured.cache
        return AnswerPolicy(self.answers, admission, recursion, forward.trust_ad, cache=cache, origin=forward)
