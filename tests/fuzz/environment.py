"""The environment: services in SERVICE_* variables, and what the variables of backends set."""

from __future__ import annotations

from contextlib import suppress

from dnsdisco.config import providers
from dnsdisco.model.service_data import service_from_data
from dnsdisco.providers import registry
from dnsdisco.providers.consul.options import Options as ConsulOptions
from dnsdisco.providers.consul.variables import settings_over_environment
from dnsdisco.providers.env import services_from
from dnsdisco.providers.kubernetes.options import completed
from dnsdisco.providers.kubernetes.options import Options as KubernetesOptions
from tests.fuzz.published import is_publishable
from tests.fuzz.reader import Reader

SECRET = "sEcReT"
_SECRETS = ("CONSUL_HTTP_TOKEN", "CONSUL_HTTP_AUTH")


def _environ(octets: bytes) -> dict[str, str]:
    """Of lines KEY=VALUE; octets that are no UTF-8 as the interpreter has them."""
    lines = octets.replace(b"\0", b"").decode("utf-8", "surrogateescape").split("\n")
    return {key: value for key, found, value in (line.partition("=") for line in lines) if found and key}


def _services(octets: bytes) -> None:
    """One warning a variable that is there, no order that matters, and services that are read back from what they are."""
    environ = _environ(octets)
    services, warnings = services_from(environ)
    assert len({key for key, _ in warnings}) == len(warnings)
    assert all(key in environ and message and "\n" not in message for key, message in warnings)
    assert services_from(dict(reversed(environ.items()))) == (services, warnings)
    read = {}
    for name, data in services.items():
        service, faults = service_from_data(name, data)
        assert service is not None
        assert not [fault for fault in faults if not fault[2]]
        read[service.key] = service
    is_publishable(read)


def _settings(octets: bytes) -> None:
    """Options, or a ValueError in one line that shows no token."""
    environ = _environ(octets)
    is_where_it_belongs = all(key in _SECRETS for key, value in environ.items() if SECRET[:3] in value or SECRET[-3:] in value)
    for make in (
        lambda: ConsulOptions(**settings_over_environment({}, environ)),
        lambda: KubernetesOptions(**completed({}, environ)),
    ):
        try:
            made = make()
        except ValueError as error:
            assert SECRET not in str(error) or not is_where_it_belongs
            assert str(error)
        else:
            assert SECRET not in repr(made) or not is_where_it_belongs
    names, problems = providers.wanted({}, environ, registry)
    assert all("\n" not in str(problem) for problem in problems)
    with suppress(TypeError):
        assert len(names or ()) < len(octets) + 1


_VARIABLES = (
    b"SERVICE_AUTH_URL=http://auth-service:5001\nSERVICE_WEB_1_HOST=10.0.0.1\nSERVICE_WEB_2_HOST=10.0.0.2\nSERVICE_WEB_PORT=8080\n",
    b"SERVICE_DB_HOST=db.example.com\nSERVICE_DB_PORT=5432\nSERVICE_X_PORT=tcp://172.17.0.5:80\nX_PORT=tcp://172.17.0.5:80\nSERVICE_X_ENV_A_URL=1\n",
    b"SERVICE_my_svc_HOST=2001:db8::1\nSERVICE_MY_SVC_PORT=53\nSERVICE_2_HOST=h\nSERVICE_OAUTH2_HOST=h\n",
)
_WORDS = (b"SERVICE_", b"_URL=", b"_HOST=", b"_PORT=", b"_1_", b"_01_", b"_999999999_", b"_", b"\n", b"=", b"http://", b"tcp://", b"[::1]:80", b"99999", b" ", b"\xff", b"\xc3\xa4", b"\xef\xbc\x91", b"_ENV_", b"_PORT_80_TCP_PORT=", b"A", b"SERVICE_WEB_PORT=")  # fmt: skip
_BACKENDS = (
    b"CONSUL_HTTP_ADDR=https://consul.example:8501/x\nCONSUL_HTTP_TOKEN=sEcReT\nCONSUL_HTTP_SSL=true\nCONSUL_CACERT=/x\nCONSUL_HTTP_AUTH=u:sEcReT\n",
    b"CONSUL_HOST=10.0.0.1\nCONSUL_PORT=8500\nCONSUL_NAMESPACE=a\nKUBERNETES_NAMESPACE=shop\nKUBECONFIG=/a:/b\nSERVICE_DISCOVERY_PROVIDER=consul,static\n",
    b"CONSUL_HTTP_ADDR=unix:///run/consul.sock\nCONSUL_HTTP_TOKEN_FILE=/run/token\nCONSUL_HTTP_SSL_VERIFY=0\nKUBERNETES_SERVICE_HOST=10.0.0.1\n",
)

READERS = {
    "variables of services": Reader(_VARIABLES, _WORDS, _services),
    "variables of backends": Reader(_BACKENDS, (b"CONSUL_HTTP_ADDR=", b"CONSUL_HTTP_SSL=", b"CONSUL_PORT=", b"KUBERNETES_NAMESPACE=", b"SERVICE_DISCOVERY_PROVIDER=", b"://", b"[", b"]", b":", b"@", b"\n", b"%", b"%2f", b"\xff", b"..", b" "), _settings),
}  # fmt: skip
