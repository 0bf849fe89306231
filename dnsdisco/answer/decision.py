"""The outcomes of `decide`: a closed union, to be matched with `assert_never`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dnsdisco.model.choice import Rank
from dnsdisco.model.turns import Turns
from dnsdisco.wire.envelope import Ede
from dnsdisco.wire.reply import Reply, RR


@dataclass(frozen=True, slots=True)
class Forward:
    """Not ours: an upstream's reply is to be relayed as it is."""


class Want(NamedTuple):
    """A question to an upstream, whose answer completes one of ours."""

    name: bytes  # wire form, lower case
    qtype: int


@dataclass(frozen=True, slots=True)
class Part:
    """A place for the addresses that *want* brings: under *owner*, with *rank*. `is_glue`: in ADDITIONAL, and they may be missing.

    `is_chain`: *want* is the target of a CNAME that stands already in the answer: whatever it has is put behind it.
    """

    want: Want
    owner: bytes
    rank: Rank
    ttl: int  # seconds; the smaller of this and the upstream's counts
    is_glue: bool = False
    is_chain: bool = False


@dataclass(frozen=True, slots=True)
class Gather:
    """An answer of ours that lacks data that only an upstream has; `resume.finish` completes it."""

    draft: Reply
    parts: tuple[Part, ...]
    soa: RR  # for NODATA, when there turns out to be nothing

    @property
    def wants(self) -> tuple[Want, ...]:
        return tuple(dict.fromkeys(part.want for part in self.parts))


Settled: TypeAlias = Reply | Forward | Gather


@dataclass(frozen=True, slots=True)
class InTurns:
    """The decision takes longer than a turn of the loop should: a service has many instances."""

    turns: Turns[Settled]


Decision: TypeAlias = Settled | InTurns

__all__ = ["Decision", "Ede", "Forward", "Gather", "InTurns", "Part", "Reply", "Settled", "Want"]
