"""The client side of one exchange over TLS (RFC 7858) or HTTPS (RFC 8484).

Where a name is known, of the URL or behind a `#`, the certificate has to be valid for it (the system's authorities, or SSL_CERT_FILE). Of
a mere address no certificate is required to say anything: the exchange is encrypted, and reported as not verified (RFC 8310 §5, opportunistic).
"""

from __future__ import annotations

import socket
import ssl
import time

from dnsdisco import sockaddr
from dnsdisco.cli.stub import is_reply, NoReply, over_stream, StubExchange, TCP_S
from dnsdisco.written.addresses import is_ip, join_port
from dnsdisco.written.endpoints import UpstreamAddress

MEDIA_TYPE = "application/dns-message"
MESSAGE_OCTETS_MAX = 65535


def exchange(server: UpstreamAddress, query: bytes) -> StubExchange:
    """The reply of *server*, whose transport is tls or https. Raises NoReply."""
    name = server.name or ("" if is_ip(sockaddr.without_scope(server.host)) else server.host)
    ask = _over_tls if server.transport == "tls" else _over_https
    try:
        return ask(server, query, name)
    except TimeoutError:
        raise NoReply(f"no answer from {server} within {TCP_S:g} s") from None
    except ConnectionRefusedError:
        raise NoReply(f"nothing listens on {join_port(server.host, server.port)} over TCP") from None
    except ssl.SSLCertVerificationError as error:
        raise NoReply(_unverified(server, name, error)) from None
    except OSError as error:
        raise NoReply(f"{server}: {error.strerror or error}") from None


def _unverified(server: UpstreamAddress, name: str, error: Exception) -> str:
    return f"the certificate of {server} is not valid for {name}: {error}; SSL_CERT_FILE names another authority"


def _context(name: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not name:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _over_tls(server: UpstreamAddress, query: bytes, name: str) -> StubExchange:
    context = _context(name)
    context.set_alpn_protocols(["dot"])
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(TCP_S)
        tcp.connect(sockaddr.of(server.host, server.port)[1])
        with context.wrap_socket(tcp, server_hostname=name or None) as tls:
            reply, time_ms = over_stream(tls, query, str(server))
    return StubExchange(reply, "tls", time_ms, is_retried=False, is_verified=bool(name))


def _over_https(server: UpstreamAddress, query: bytes, name: str) -> StubExchange:
    try:
        import h2  # noqa: F401, PLC0415  for HTTP/2, which many servers want
        import httpx  # noqa: PLC0415  only for https://, and an extra
    except ImportError:
        raise NoReply(f"{server} needs packages that are not installed: pip install 'dnsdisco[doh]'") from None
    question = b"\0\0" + query[2:]  # RFC 8484 §4.1
    headers = {"content-type": MEDIA_TYPE, "accept": MEDIA_TYPE}
    url = str(server).partition("#")[0]
    extensions = {"sni_hostname": name} if name else {}
    try:
        with httpx.Client(verify=_context(name), http2=True, trust_env=False, timeout=TCP_S) as client:
            began_at = time.monotonic()
            response = client.post(url, content=question, headers=headers, extensions=extensions)
            time_ms = (time.monotonic() - began_at) * 1000
    except httpx.TimeoutException:
        raise TimeoutError from None
    except httpx.TransportError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        raise NoReply(_unverified(server, name, cause) if isinstance(cause, Exception) else f"{server}: {error}") from None
    if response.status_code != 200:
        raise NoReply(f"{server} answers with HTTP status {response.status_code}: is its path the right one?")
    if len(response.content) > MESSAGE_OCTETS_MAX or not is_reply(response.content, question):
        raise NoReply(f"{server} sent something that is no answer to the question")
    return StubExchange(response.content, "https", time_ms, is_retried=False, is_verified=bool(name))
