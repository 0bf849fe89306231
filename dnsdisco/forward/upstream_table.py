"""Makes the table of upstreams from written addresses: it parses them, reads resolv.conf files, leaves ourselves out, and makes the routes."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Sequence

from dnsdisco.errors import WireError
from dnsdisco.forward.bootstrap import Bootstrap
from dnsdisco.forward.context import Context
from dnsdisco.forward.https import HttpsPool, INSTALL, is_installed
from dnsdisco.forward.own_addresses import is_own
from dnsdisco.forward.resolv_conf import ResolvConf
from dnsdisco.forward.routes import Route, Routes
from dnsdisco.forward.upstream import Upstream
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire import name
from dnsdisco.written.endpoints import is_path, UpstreamAddress
from dnsdisco.written.endpoints import upstream as upstream_from

log = logging.getLogger("dnsdisco.forward")
loops = logging.getLogger("dnsdisco.forward.loops")

ROOT = b"\0"
RESOLV_CONF = "/etc/resolv.conf"  # asked where an https upstream is, when no other upstream is written by its address


class UpstreamTable:
    """Holds every upstream by its address, so that what is known of one outlives a reload. `routes` is replaced, never changed."""

    def __init__(self, context: Context, own: Sequence[tuple[str, int]]) -> None:
        self.routes: Routes[Upstream] = Routes(Route(ROOT, (), is_configured=False), ())
        self._context = context
        self._own = own
        self._settings = ForwardSettings(upstreams=())
        self._files: dict[str, ResolvConf] = {}
        self._upstreams: dict[UpstreamAddress, Upstream] = {}
        self._tls: ssl.SSLContext | None = None
        self._bootstrap = Bootstrap(context, self._by_address)
        self._system: dict[UpstreamAddress, Upstream] = {}  # of RESOLV_CONF
        self._logged: set[str] = set()  # problems already logged: the files are looked at every two seconds

    def apply(self, settings: ForwardSettings) -> None:
        self._settings = settings
        written = [text for texts in (settings.upstreams, *(texts for _, texts in settings.zones)) for text in texts]
        self._files = {path: self._files.get(path) or ResolvConf(path) for path in written if is_path(path)}
        for file in self._files.values():
            file.look()
        self._make_routes()

    def look(self) -> bool:
        """See whether a resolv.conf has changed. True: `routes` are other ones now."""
        if not any([file.look() for file in self._files.values()]):  # noqa: C419  # every one of them is to be looked at
            return False
        self._make_routes()
        log.info("upstreams are now %s", ", ".join(str(upstream) for upstream in self.routes.general.upstreams) or "none")
        return True

    def upstreams(self) -> Iterable[Upstream]:
        return self._upstreams.values()

    async def close(self) -> None:
        self._bootstrap.close()
        for upstream in (*self._upstreams.values(), *self._system.values()):
            await upstream.close()

    def _by_address(self) -> list[Upstream]:
        """The upstreams, written by address, that may be asked for the address of one that was written by name."""
        found = [upstream for upstream in self.routes.general.upstreams if not (upstream.address.is_by_name or upstream.looping)]
        if found:
            return found
        file = ResolvConf(RESOLV_CONF)
        file.look()
        for address in file.addresses:
            if not is_own(address.host, address.port, self._own):
                upstream = self._system.setdefault(address, Upstream(address, self._context, None))
                found.append(upstream)
        return found

    def _make_routes(self) -> None:
        before, self._upstreams = self._upstreams, {}
        for upstream in before.values():
            upstream.zones = ()
        general = self._route(ROOT, self._settings.upstreams, before)
        zones = []
        for zone, texts in self._settings.zones:
            try:
                zones.append(self._route(name.from_text(zone).lower(), texts, before))
            except WireError as error:
                self._log_once(f"forward.zones: {error}: this zone is left out")
        self.routes = Routes(general, zones)
        for address, upstream in before.items():
            if address not in self._upstreams:
                upstream.retire()

    def _route(self, zone: bytes, texts: Iterable[str], before: dict[UpstreamAddress, Upstream]) -> Route[Upstream]:
        usable: list[Upstream] = []
        is_configured = False
        for text in texts:
            is_file = is_path(text)
            for address in self._files[text].addresses if is_file else self._parsed(text):
                upstream = self._upstreams.get(address) or before.get(address) or self._made(address)
                self._upstreams[address] = upstream
                upstream.is_case_random = self._settings.case_randomisation
                if self._is_ourselves(upstream, text if is_file else ""):
                    # A resolv.conf that names us is how we are meant to be used; an upstream that was written and is us is a fault.
                    is_configured = is_configured or not is_file
                    if not is_file:
                        upstream.zones += (zone,)
                    continue
                is_configured = True
                if upstream not in usable:
                    usable.append(upstream)
                    upstream.zones += (zone,)
        return Route(zone, tuple(usable), is_configured)

    def _parsed(self, text: str) -> tuple[UpstreamAddress, ...]:
        try:
            address = upstream_from(text)
        except ValueError as error:
            self._log_once(f"forward: {error}: this upstream is left out")
            return ()
        if address.transport == "https" and not is_installed():
            self._log_once(f"forward: {text!r}: {INSTALL}; this upstream is left out")
            return ()
        return (address,)

    def _is_ourselves(self, upstream: Upstream, file: str) -> bool:
        if not is_own(upstream.address.host, upstream.address.port, self._own):
            upstream.own_reason = ""
            return False
        if not upstream.own_reason:
            upstream.own_reason = "we listen there"
            self._context.statistics.own += 1
            if file:
                loops.info("%s names %s, where we listen: not an upstream", file, upstream)
            else:
                loops.warning("upstream %s is ourselves: disabled; name another resolver in its place", upstream)
        return True

    def _made(self, address: UpstreamAddress) -> Upstream:
        https = HttpsPool(address, self._context, self._bootstrap.resolve) if address.transport == "https" else None
        return Upstream(address, self._context, self._tls_for(address), https)

    def _tls_for(self, address: UpstreamAddress) -> ssl.SSLContext | None:
        if address.transport != "tls":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()  # verifies against the system's authorities (and SSL_CERT_FILE); RFC 8310 §8.1
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["dot"])
        return self._tls

    def _log_once(self, problem: str) -> None:
        if problem not in self._logged:
            self._logged.add(problem)
            log.error("%s", problem)
