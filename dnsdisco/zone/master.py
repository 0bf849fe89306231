"""Master files (RFC 1035 §5): extra records inside our zones, $ORIGIN, $TTL and TTL units (RFC 2308 §4, RFC 1912's style)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsdisco.errors import excerpt, Problem, WireError, ZoneFileError
from dnsdisco.model.entry import ExtraRecord
from dnsdisco.wire import presentation
from dnsdisco.wire.constants import CNAME, DNAME, NS, SOA, TTL_MAX, type_from_text, type_to_text
from dnsdisco.wire.name import absolute, label_to_text, Labels, labels_of
from dnsdisco.wire.tokens import LineError, lines, Token
from dnsdisco.zone.settings import zone_labels

RECORDS_MAX = 100_000  # a zone file beside the services; more belongs in a name server of its own
DEFAULT_TTL = 300  # seconds, where neither the record nor $TTL has one

FAULTS_MAX = 10_000  # of one file; what has more of them is no zone file, and is not read to its end

_TTL = re.compile(r"[0-9]++|(?:[0-9]++[smhdw])++", re.IGNORECASE)
_TTL_PART = re.compile(r"([0-9]++)([smhdw]?)", re.IGNORECASE)
_TTL_DIGITS_MAX = 10  # more stand for no TTL, and the time that int() takes grows with the square of them
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_IN = frozenset(("IN", "CLASS1"))
_OTHER_CLASS = re.compile(r"CH|HS|CS|CLASS[0-9]{1,5}", re.IGNORECASE)


def parse(text: str, path: str, zones: tuple[str, ...]) -> list[tuple[Labels, ExtraRecord]]:
    """The records of *text* with the zone each is in. Raises ZoneFileError at the first fault.

    The origin is the first zone until $ORIGIN sets another. SOA and NS of a zone's own name are read over: those are made.
    """
    records, problems = usable(text, path, zones)
    for problem in problems:
        if not problem.is_warning:
            raise ZoneFileError(path, problem.line, problem.message)
    return records


def usable(text: str, path: str, zones: tuple[str, ...]) -> tuple[list[tuple[Labels, ExtraRecord]], list[Problem]]:
    """Like parse(), but leaves out the records that have a fault, and returns each fault with its line. A text in which the end of a record,
    or the name of the next ones, is unclear has no usable record. An ignored record is a warning."""
    state = _ParserState(zones)
    records: list[tuple[Labels, ExtraRecord]] = []
    problems: list[Problem] = []
    for item in _read(text, path, state):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            records.append(item)
        if len(problems) > FAULTS_MAX:
            return [], [*problems, Problem(path, 0, 0, "", f"more than {FAULTS_MAX} faults; the rest is not read")]
        if len(records) > RECORDS_MAX:
            return [], [*problems, Problem(path, 0, 0, "", f"more than {RECORDS_MAX} records")]
    return ([] if state.is_lost else records), problems


def check(text: str, path: str, zones: tuple[str, ...]) -> list[Problem]:
    """Every fault of *text*, with its line."""
    return usable(text, path, zones)[1]


class _ReadOver(WireError):
    """A record that is right, and has no effect."""


class _ParserState:
    def __init__(self, zones: tuple[str, ...]) -> None:
        self.zones = [zone_labels(zone) for zone in zones]
        self.origin: Labels = self.zones[0]
        self.owner: Labels | None = None
        self.default_ttl: int | None = None
        self.last_ttl: int | None = None
        self.types: dict[Labels, set[int]] = {}
        self.is_lost = False  # what follows may be something else than was meant


def _read(text: str, path: str, state: _ParserState) -> Iterator[Problem | tuple[Labels, ExtraRecord]]:
    try:
        for number, is_indented, words in lines(text):
            try:
                record = _entry(state, words, is_indented=is_indented)
            except _ReadOver as reason:
                yield Problem(path, number, 1, "", str(reason), is_warning=True)
            except WireError as error:
                yield Problem(path, number, 1, "", str(error))
            else:
                if record is not None:
                    yield record
    except LineError as error:
        state.is_lost = True
        yield Problem(path, error.line, 1, "", str(error))


def _entry(state: _ParserState, words: list[Token], *, is_indented: bool) -> tuple[Labels, ExtraRecord] | None:
    first = words[0].text
    if first.startswith("$") and not words[0].is_quoted:
        state.is_lost, was_lost = True, state.is_lost
        _directive(state, first.upper(), [word.text for word in words[1:]])
        state.is_lost = was_lost
        return None
    if is_indented:
        if state.owner is None:
            raise WireError("there is no owner above this record")
    else:
        state.owner = None  # what is indented below a name that makes no sense is not the name's before
        state.owner = _absolute(state, first)
        words = words[1:]
    ttl, words = _ttl_and_class(state, words)
    if not words:
        raise WireError("a record without a type")
    rtype = type_from_text(words[0].text)
    zone = next((zone for zone in sorted(state.zones, key=len, reverse=True) if state.owner[-len(zone) :] == zone), None)
    if zone is None:
        raise WireError(f"{_text(state.owner)} is not in a zone of ours ({', '.join(_text(zone) for zone in state.zones)})")
    if not state.owner[: -len(zone)] and rtype in (SOA, NS):
        raise _ReadOver(f"{type_to_text(rtype)} of the zone itself has no effect: the server makes its own, for the services' sake")
    if rtype in (SOA, NS):
        raise WireError(f"{type_to_text(rtype)} below the zone's own name: delegations are not served; see `forward.zones`")
    if rtype == DNAME:
        raise WireError("DNAME: names below it would have to be made for each question; write a wildcard or the aliases themselves")
    _alone(state, rtype)
    owner = tuple(label.decode("latin-1") for label in state.owner[: -len(zone)])
    return zone, ExtraRecord(owner, rtype, ttl, presentation.from_words(rtype, words[1:], state.origin))


def _directive(state: _ParserState, name: str, arguments: list[str]) -> None:
    if name == "$ORIGIN" and len(arguments) == 1:
        state.origin = _absolute(state, arguments[0])
    elif name == "$TTL" and len(arguments) == 1:
        state.default_ttl = _ttl(arguments[0])
    elif name == "$INCLUDE":
        raise WireError("$INCLUDE is not followed; name the file in `zone_files`")
    else:
        raise WireError(f"{excerpt(name)} is not a directive that can be used, or not with {len(arguments)} arguments")


def _ttl_and_class(state: _ParserState, words: list[Token]) -> tuple[int, list[Token]]:
    """TTL and class stand in either order before the type (RFC 1035 §5.1)."""
    ttl, has_class = None, False
    while words and not words[0].is_quoted:
        word = words[0].text
        if word.upper() in _IN and not has_class:
            has_class, words = True, words[1:]
        elif _OTHER_CLASS.fullmatch(word):
            raise WireError(f"class {excerpt(word)}: only IN is served from zone files")
        elif ttl is None and _TTL.fullmatch(word):
            ttl, words = _ttl(word), words[1:]
        else:
            break
    if ttl is None:
        ttl = state.default_ttl if state.default_ttl is not None else state.last_ttl
    state.last_ttl = ttl
    return (DEFAULT_TTL if ttl is None else ttl), words


def _ttl(word: str) -> int:
    if not _TTL.fullmatch(word):
        raise WireError(f"{excerpt(word)} is not a TTL (seconds, or such as 1h30m)")
    seconds = 0
    for found in _TTL_PART.finditer(word):
        digits = found[1].lstrip("0")
        seconds += int(digits or "0") * _UNIT_S[found[2].lower()] if len(digits) <= _TTL_DIGITS_MAX else TTL_MAX + 1
    if seconds > TTL_MAX:
        raise WireError(f"a TTL of {excerpt(word)}; at most {TTL_MAX} s")
    return seconds


def _alone(state: _ParserState, rtype: int) -> None:
    """A CNAME stands alone at its name, and there is one (RFC 1034 §3.6.2, RFC 2181 §10.1)."""
    assert state.owner is not None
    types = state.types.setdefault(state.owner, set())
    if types and (rtype == CNAME or CNAME in types):
        raise WireError(f"{_text(state.owner)} has a CNAME and something else")
    types.add(rtype)


def _absolute(state: _ParserState, text: str) -> Labels:
    return labels_of(absolute(text, state.origin).lower())


def _text(labels: Labels) -> str:
    return "".join(label_to_text(label) + "." for label in labels) or "."
