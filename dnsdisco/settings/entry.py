"""The options that every entry of `providers` takes. Those of one type stand in the provider's own folder, declared in the same way."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from dnsdisco.settings import kinds as k
from dnsdisco.settings.lists import ListOf
from dnsdisco.settings.setting import Setting
from dnsdisco.written.units import DURATION_S_MAX

POLL_S_MIN, POLL_S_MAX = 0.1, 3600.0


class EntryOptions(NamedTuple):
    type: Annotated[
        str, Setting(k.Text(), "Which provider.", values="a provider's name, see below, or a plug-in's", default="needed")
    ]
    optional: Annotated[
        bool,
        Setting(
            k.Truth(),
            "Its names may be denied before it has answered for the first time. Otherwise a name that it might know is SERVFAIL (EDE 14) until then.",
        ),
    ] = False
    include: Annotated[
        tuple[str, ...],
        Setting(
            ListOf(k.Text(), "['web*']"),
            "Only services whose name matches one of these patterns.",
            values="patterns with `*`, `?`, `[…]`",
            default="`[]`: all",
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Setting(ListOf(k.Text(), "['web*']"), "Not the services whose name matches one of these.", values="patterns"),
    ] = ()
    max_stale: Annotated[
        float | None,
        Setting(
            k.OrNull(k.Seconds(0, DURATION_S_MAX)),
            "After so long without contact its services are dropped.",
            values="a duration; `null`: never",
        ),
    ] = None
    when_all_unhealthy: Annotated[
        str | None,
        Setting(
            k.OrNull(k.Word("fail_open", "empty")),
            "As above, for this provider. A provider may have a default of its own.",
            values="`fail_open`, `empty`",
            default="the provider's own, else the general one",
        ),
    ] = None
    poll_interval: Annotated[
        float | None,
        Setting(
            k.OrNull(k.Seconds(POLL_S_MIN, POLL_S_MAX)),
            "How often a provider that cannot watch is asked anew.",
            values=f"{POLL_S_MIN:g} to {POLL_S_MAX:g} seconds",
            default="5, or the plug-in's own",
        ),
    ] = None


OF_THE_PROVIDER = frozenset({"type", "poll_interval"})  # a provider is built by these and by its own options
OF_THE_CHAIN = frozenset(EntryOptions._fields) - OF_THE_PROVIDER
