"""The CONSUL_* variables, which an entry of `providers:` overrides. Every fault is a ValueError that names the variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dnsdisco.providers.consul.address import DEFAULT_PORT, endpoint_from, host_from, named
from dnsdisco.providers.consul.options import KEYS, usable_token
from dnsdisco.written.addresses import port
from dnsdisco.written.units import did_you_mean, shown

_TRUE, _FALSE = frozenset({"1", "t", "true", "yes", "on"}), frozenset({"0", "f", "false", "no", "off"})
_VARIABLES = {
    "http_auth": "CONSUL_HTTP_AUTH", "tls_server_name": "CONSUL_TLS_SERVER_NAME", "namespace": "CONSUL_NAMESPACE",
    "partition": "CONSUL_PARTITION",
}  # fmt: skip


def settings_over_environment(settings: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for Options. The entry's address, token or TLS settings replace those of the variables."""
    for key in settings:
        if key not in KEYS:
            raise ValueError(f"{key}: the consul provider has no such option{did_you_mean(key, KEYS)}")
    said = {key: value for key, value in settings.items() if value not in (None, "", [], ())}
    given: dict[str, Any] = {}
    if not said.keys() & {"address", "host", "port", "scheme"}:
        given |= _address_from(environ)
    if not said.keys() & {"token", "token_file"}:
        given |= _token_from(environ)
    if "ca_file" not in said:
        given["ca_path"] = environ.get("CONSUL_CAPATH") or None
    if "ca_path" not in said:
        given["ca_file"] = environ.get("CONSUL_CACERT") or None
    for key, variable in _VARIABLES.items():
        given[key] = environ.get(variable) or None
    if "client_cert" not in said:
        given["client_cert"] = environ.get("CONSUL_CLIENT_CERT") or None
        given["client_key"] = environ.get("CONSUL_CLIENT_KEY") or None
    given["verify"] = _flag(environ, "CONSUL_HTTP_SSL_VERIFY", default=True)
    return {**given, **said}


def _address_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """CONSUL_HOST and CONSUL_PORT, else CONSUL_HTTP_ADDR."""
    scheme = "https" if _flag(environ, "CONSUL_HTTP_SSL", default=False) else "http"
    host, port_text = environ.get("CONSUL_HOST", "").strip(), environ.get("CONSUL_PORT", "").strip()
    if "://" in port_text:  # Kubernetes and Docker set it, as tcp://10.0.0.1:8500, for a service that is called consul
        link = urlsplit(port_text)
        host, port_text = host or link.hostname or "", str(link.port or "")
    number_ = named("CONSUL_PORT", port, port_text) if port_text else DEFAULT_PORT
    if "://" in host:
        return {"address": _variable("CONSUL_HOST", host)}
    if host.count(":") == 1 or "]:" in host:  # with a port of its own, as many write it
        endpoint = named("CONSUL_HOST", endpoint_from, host)
        return {"host": endpoint.host, "port": endpoint.port, "scheme": scheme}
    if host:
        return {"host": named("CONSUL_HOST", host_from, host.strip("[]")), "port": number_, "scheme": scheme}
    address = environ.get("CONSUL_HTTP_ADDR", "").strip()
    if address:
        if scheme == "https" and address.startswith("http://"):
            address = f"https{address.removeprefix('http')}"
        elif scheme == "https" and "://" not in address:
            endpoint = named("CONSUL_HTTP_ADDR", endpoint_from, address)
            return {"host": endpoint.host, "port": endpoint.port, "scheme": scheme}
        return {"address": _variable("CONSUL_HTTP_ADDR", address)}
    return {"port": number_, "scheme": scheme}


def _token_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """CONSUL_TOKEN, else the file, else CONSUL_HTTP_TOKEN: as with Consul's own tools the file wins over the variable."""
    if environ.get("CONSUL_TOKEN", "").strip():
        return {"token": named("CONSUL_TOKEN", usable_token, environ["CONSUL_TOKEN"])}
    if environ.get("CONSUL_HTTP_TOKEN_FILE"):
        return {"token_file": environ["CONSUL_HTTP_TOKEN_FILE"]}
    if environ.get("CONSUL_HTTP_TOKEN", "").strip():
        return {"token": named("CONSUL_HTTP_TOKEN", usable_token, environ["CONSUL_HTTP_TOKEN"])}
    return {}


def _variable(name: str, address: str) -> str:
    named(name, endpoint_from, address)
    return address


def _flag(environ: Mapping[str, str], variable: str, *, default: bool) -> bool:
    text = environ.get(variable, "").strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text:
        raise ValueError(f"{variable}: expected true or false, found {shown(text)}")
    return default
