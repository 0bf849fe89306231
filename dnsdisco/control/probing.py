"""One health check: connect, ask, read one line. "" for a good answer, else the reason in words.

No redirect is followed, no proxy of the environment is used, nothing is read beyond the status line (RFC 9112 §4), so that a body
without end costs nothing. The address that is connected to is looked at after a host name is resolved: a name may lead anywhere.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from concurrent.futures import Executor

from dnsdisco.model.probe_target import is_refused, Probe

LINE_OCTETS_MAX = 4096  # of a status line or header field; longer ones are no answer of a health endpoint
HEAD_LINES_MAX = 100  # of all interim answers (1xx) together
ADDRESSES_MAX = 3  # of a host name that are tried one after the other, all within the one timeout

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_GOOD_BESIDE_2XX = frozenset({429})  # alive, and asking for patience: to take it out would push its load onto the others


class ProbeClient:
    """*resolving*: where host names are resolved, which may block for long. Belongs to one event loop."""

    def __init__(self, resolving: Executor) -> None:
        self._resolving = resolving
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def ask(self, probe: Probe) -> str:
        """Takes `timeout_s` at most. Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(probe.timeout_s):
                return await self._ask(probe)
        except TimeoutError:
            return f"no answer within {probe.timeout_s:g} s"
        except ssl.SSLCertVerificationError as error:
            return f"certificate: {error.verify_message}"
        except ssl.SSLError as error:
            return f"TLS: {error.reason}"
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            return _reason(error)

    async def _ask(self, probe: Probe) -> str:
        reader, writer = await self._connected(probe)
        try:
            if probe.scheme == "tcp":
                return ""
            writer.write(
                f"GET {probe.path} HTTP/1.1\r\nHost: {probe.authority}\r\nUser-Agent: dnsdisco\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
            )
            return await _verdict(reader)
        finally:
            writer.transport.abort()  # whatever is still on its way is not wanted, and nothing is waited for

    async def _connected(self, probe: Probe) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = self._context(verify=probe.verify) if probe.scheme == "https" else None
        refused: OSError | None = None
        for address in await self._addresses(probe):
            try:
                return await asyncio.open_connection(
                    address, probe.port, limit=LINE_OCTETS_MAX, ssl=tls, server_hostname=probe.address if tls else None
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                refused = refused or error
        raise refused or OSError("its name leads only to link-local or metadata addresses, which are never asked")

    async def _addresses(self, probe: Probe) -> list[str]:
        """Numeric ones that may be asked."""
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in probe.address else socket.AF_INET, probe.address)
        except OSError:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._resolving, _resolved, probe.address, probe.port)
        else:
            found = [probe.address]
        return [address for address in found if not is_refused(address)][:ADDRESSES_MAX]

    def _context(self, *, verify: bool) -> ssl.SSLContext:
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = ssl.create_default_context()
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
        return context


async def _verdict(reader: asyncio.StreamReader) -> str:
    for _ in range(HEAD_LINES_MAX):
        line = await reader.readuntil(b"\n")
        match = _STATUS.fullmatch(line)
        if match is None:
            return "the answer is not HTTP"
        status = int(match[1])
        if status // 100 == 1 and status != 101:  # interim (RFC 9110 §15.2): its fields, then the next status line
            while (await reader.readuntil(b"\n")).strip():
                pass
            continue
        if status // 100 == 2 or status in _GOOD_BESIDE_2XX:
            return ""
        return f"HTTP {status}{', and redirects are not followed' if status // 100 == 3 else ''}"
    return "interim answers without end"


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _reason(error: Exception) -> str:
    """Without addresses and ports, which the log line has beside it."""
    if isinstance(error, socket.gaierror):
        return f"its name: {error.strerror}"
    if isinstance(error, asyncio.IncompleteReadError):
        return "closed without an answer"
    if isinstance(error, asyncio.LimitOverrunError):
        return f"a line of more than {LINE_OCTETS_MAX} octets"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error)
