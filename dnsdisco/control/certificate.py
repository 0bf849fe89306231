"""Whether the certificate of the encrypted listeners can be used, and for how long: read again every few seconds, as its files and the days go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dnsdisco.control.facts import ProblemView
from dnsdisco.control.log import Logger
from dnsdisco.settings.sections import TlsSettings

LOOK_S = 2.0  # between two looks: each reads two small files, in under a millisecond


class CertificateWatch:
    """The loop's thread only. The workers log what they cannot read; this logs what comes with time."""

    def __init__(self, log: Logger, now: Callable[[], float] = time.time) -> None:
        """*now*: the unix time."""
        self._log, self._now = log, now
        self._tls = TlsSettings()
        self._seen: tuple[str, ...] | None = None  # at the last look; None: there was none
        self._told: tuple[str, ...] | None = None
        self._looked_at = float("-inf")

    def apply(self, tls: TlsSettings) -> None:
        """The pair that the configuration names now."""
        if tls != self._tls:
            self._tls, self._seen, self._told = tls, None, None
            self._looked_at = float("-inf")

    def look(self, now: float) -> None:
        """Read the pair, at most once in LOOK_S of the monotonic time *now*. Two files take their time to be replaced, so two looks have to agree."""
        if self._tls.certificate is None or now - self._looked_at < LOOK_S:
            return
        from dnsdisco.config.encrypted import pair_faults  # noqa: PLC0415  a server without encrypted listeners never loads OpenSSL

        self._looked_at = now
        found = tuple(fault.message for fault in pair_faults(self._tls.certificate, self._tls.key, self._now()))
        is_settled, self._seen = found == self._seen, found
        if is_settled and found != self._told:
            for reason in found if self._told is not None else ():  # at the start, the start has logged it
                self._log.warning("certificate", reason=reason)
            self._told = found

    def problems(self) -> Sequence[ProblemView]:
        return [ProblemView("certificate", self._tls.certificate or "", reason) for reason in self._told or ()]
