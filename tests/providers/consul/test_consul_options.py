"""What may be set, where it comes from, and what is said of what cannot be used."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

from dnsdisco.config.sources import Given
from dnsdisco.providers.consul import ConsulServiceDiscovery
from dnsdisco.providers.consul.address import endpoint_from
from dnsdisco.providers.consul.options import KEYS, Options
from dnsdisco.providers.consul.registration import registration_of
from dnsdisco.providers.consul.variables import settings_over_environment
from dnsdisco.settings.forms import declared
from tests.config.known import inspect

ROOT = pathlib.Path(__file__).parents[3]
SECRET = "5ec4e7-f00d"


def options(settings=None, environ=None):
    return Options(**settings_over_environment(settings or {}, environ or {}))


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
        ("https://consul.example:8501/", "https://consul.example:8501"),
        ("consul:8600", "http://consul:8600"),
        ("consul", "http://consul:8500"),
        (":8600", "http://127.0.0.1:8600"),
        ("https://:8501", "https://127.0.0.1:8501"),
        ("http://:8600/consul", "http://127.0.0.1:8600/consul"),
        ("https://consul.example", "https://consul.example:443"),
        ("http://consul.example", "http://consul.example:80"),
        ("[2001:db8::1]:8500", "http://[2001:db8::1]:8500"),
        ("unix:///var/run/consul.sock", "unix:///var/run/consul.sock"),
        ("http://gateway/consul", "http://gateway:80/consul"),
        ("https://gateway:8443/a/b.c/", "https://gateway:8443/a/b.c"),
    ],
)
def test_addresses(address, endpoint):
    assert str(endpoint_from(address)) == endpoint
    assert str(Options(address=address).endpoint) == endpoint


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x",
        "http://",
        ":",
        "http://:",
        "http://:0",
        "http://x:0",
        "http://x:99999",
        "http://x//path",
        "x/path",
        "http://x/a b",
        "http://x/a\nb",
        "http://u:p@x",
        "unix://x",
        "a b",
        "http://x?y",
    ],
)
def test_addresses_that_are_none(address):
    with pytest.raises(ValueError, match=r"^address: expected") as error:
        Options(address=address)
    assert "u:p" not in str(error.value)


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, "http://127.0.0.1:8500"),
        ({"CONSUL_HOST": "consul"}, "http://consul:8500"),
        ({"CONSUL_HOST": "consul", "CONSUL_PORT": "9500"}, "http://consul:9500"),
        ({"CONSUL_HOST": "::1"}, "http://[::1]:8500"),
        ({"CONSUL_HOST": "consul:9500"}, "http://consul:9500"),
        ({"CONSUL_HOST": "[::1]:9500", "CONSUL_HTTP_SSL": "true"}, "https://[::1]:9500"),
        ({"CONSUL_HOST": "http://consul:1234"}, "http://consul:1234"),
        ({"CONSUL_HTTP_ADDR": "consul:1"}, "http://consul:1"),
        ({"CONSUL_HTTP_ADDR": "https://consul:1"}, "https://consul:1"),
        ({"CONSUL_HTTP_ADDR": "consul:1", "CONSUL_HTTP_SSL": "true"}, "https://consul:1"),
        ({"CONSUL_HTTP_ADDR": "http://consul:1", "CONSUL_HTTP_SSL": "1"}, "https://consul:1"),
        ({"CONSUL_HTTP_ADDR": "unix:///run/c.sock"}, "unix:///run/c.sock"),
        ({"CONSUL_HTTP_ADDR": "consul:1", "CONSUL_HOST": "mine"}, "http://mine:8500"),
        ({"CONSUL_PORT": "tcp://10.0.0.5:8500"}, "http://10.0.0.5:8500"),  # a Kubernetes service that is called consul
        ({"CONSUL_PORT": "tcp://10.0.0.5:8501", "CONSUL_HOST": "mine"}, "http://mine:8501"),
        ({"CONSUL_HOST": "", "CONSUL_PORT": ""}, "http://127.0.0.1:8500"),
    ],
)
def test_the_environment_names_the_agent(environ, endpoint):
    assert str(options(environ=environ).endpoint) == endpoint
    assert str(options({"address": "https://said:1"}, environ).endpoint) == "https://said:1"


def test_the_token_and_its_precedence():
    file = {"CONSUL_HTTP_TOKEN_FILE": "/t"}
    assert options(environ={"CONSUL_HTTP_TOKEN": "a"}).token == "a"
    assert options(environ={"CONSUL_HTTP_TOKEN": "a", **file}).token_file == "/t"
    both = options(environ={"CONSUL_TOKEN": "b", "CONSUL_HTTP_TOKEN": "a", **file})
    assert (both.token, both.token_file) == ("b", None)
    said = options({"token_file": "/mine"}, {"CONSUL_TOKEN": "b"})
    assert (said.token, said.token_file) == (None, "/mine")
    assert options({"token": "c", "token_file": ""}, file).token == "c"


def test_tls_from_the_environment_and_over_it():
    environ = {
        "CONSUL_CACERT": "/ca", "CONSUL_CLIENT_CERT": "/crt", "CONSUL_CLIENT_KEY": "/key", "CONSUL_HTTP_SSL_VERIFY": "false",
        "CONSUL_TLS_SERVER_NAME": "server.dc1.consul",
    }  # fmt: skip
    found = options(environ=environ)
    assert (found.ca_file, found.client_cert, found.client_key) == ("/ca", "/crt", "/key")
    assert (found.verify, found.tls_server_name) == (False, "server.dc1.consul")
    said = options({"ca_file": "/ca2", "client_cert": "/both", "verify": True}, environ)
    assert (said.ca_file, said.client_cert, said.client_key, said.verify) == ("/ca2", "/both", None, True)


def test_every_other_setting():
    found = options(
        {
            "datacenter": "dc2",
            "stale": True,
            "wait": "45s",
            "watch_limit": 0,
            "tags": ["a"],
            "proxies": True,
            "allow_filtered": True,
        }
    )
    assert (found.datacenter, found.stale, found.wait, found.watch_limit, found.tags) == ("dc2", True, 45.0, 0, ("a",))
    assert found.proxies
    assert found.allow_filtered
    assert options({"datacenter": None, "address": "", "tags": []}) == Options()


@pytest.mark.parametrize(
    ("settings", "environ", "words"),
    [
        ({"adress": "x"}, {}, "adress: the consul provider has no such option; did you mean address?"),
        ({"port": 0}, {}, "port: expected a port"),
        ({"port": "x"}, {}, "port: expected a port"),
        ({"scheme": "ftp"}, {}, "scheme: expected http or https"),
        ({"host": "a b"}, {}, "host: expected a host name"),
        ({"wait": "5m"}, {}, "wait: expected a duration from 1 to 60 seconds"),
        ({"watch_limit": -1}, {}, "watch_limit: expected a whole number"),
        ({"stale": "yes"}, {}, "stale: expected true or false"),
        ({"tags": [5]}, {}, "tags: expected a text, found 5"),
        ({"token": SECRET, "token_file": "/x"}, {}, "one of them is enough"),
        ({"client_key": "/k"}, {}, "client_key: there is no client_cert"),
        ({"datacenter": 5}, {}, "datacenter: expected a text"),
        ({}, {"CONSUL_PORT": "x"}, "CONSUL_PORT: expected a port"),
        ({}, {"CONSUL_HTTP_ADDR": "ftp://x"}, "CONSUL_HTTP_ADDR: expected an address"),
        ({}, {"CONSUL_HOST": "a b"}, "CONSUL_HOST: expected a host name"),
        ({}, {"CONSUL_HOST": "consul:x"}, "CONSUL_HOST: expected an address"),
        ({}, {"CONSUL_HTTP_SSL_VERIFY": "maybe"}, "CONSUL_HTTP_SSL_VERIFY: expected true or false"),
    ],
)
def test_what_cannot_be_used_is_named(settings, environ, words):
    with pytest.raises(ValueError, match=r"^\w+") as error:
        options(settings, environ)
    assert words in str(error.value)


@pytest.mark.parametrize("token", [f"{SECRET} {SECRET}", f"{SECRET}\r\nX: y", f"{SECRET}é", "", "   "])
def test_a_bad_token_is_refused_and_not_shown(token):
    if token:
        with pytest.raises(ValueError, match="token: expected a") as error:
            Options(token=token)
        assert SECRET not in str(error.value)
    for variable in ("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN"):
        if token.strip():
            with pytest.raises(ValueError, match=f"{variable}: expected an ACL token") as error:
                options(environ={variable: token})
            assert SECRET not in str(error.value)
        else:
            assert options(environ={variable: token}).token is None


def test_a_token_that_yaml_took_for_a_number_is_not_shown():
    with pytest.raises(ValueError, match="token: expected a text of at most 4096 printable octets, found something else"):
        Options(token=123456789)


def test_nothing_shows_the_token_and_the_constructor_does_no_io():
    provider = ConsulServiceDiscovery("consul.invalid", 1, SECRET, "https", ca_file="/nowhere", client_cert="/nowhere")
    assert SECRET not in repr(provider)
    assert SECRET not in repr(provider._options)
    assert repr(provider) == "ConsulServiceDiscovery(address='https://consul.invalid:1')"


def test_none_is_the_default_as_with_a_variable_that_is_not_set():
    assert repr(ConsulServiceDiscovery(None, None, None, None)) == "ConsulServiceDiscovery(address='http://127.0.0.1:8500')"


def test_an_unknown_argument():
    with pytest.raises(TypeError, match="hots"):
        ConsulServiceDiscovery(hots="x")


def test_an_entry_has_the_options_of_the_class_but_one_address():
    assert declared(Options).keys() == KEYS - {"host", "port", "scheme"}


@pytest.mark.parametrize("token", ["123456789", f'"{SECRET}\\t"', f"[{SECRET}]"])
def test_a_bad_token_in_the_file_is_not_shown(tmp_path, token):
    (tmp_path / "dnsdisco.yaml").write_text(f"providers: [{{type: consul, token: {token}}}]")
    (problem,) = inspect(Given(str(tmp_path / "dnsdisco.yaml")), known_types=["consul"]).problems
    assert problem.path == "providers[0].token"
    assert "put it in quotes" in problem.message
    assert SECRET not in problem.message
    assert "123456789" not in problem.message


EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs" / "consul.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_are_right(tmp_path):
    kinds = [kind for kind, _ in EXAMPLES]
    assert kinds == ["yaml", "python", "hcl"]
    (tmp_path / "dnsdisco.yaml").write_text(EXAMPLES[0][1])
    assert inspect(Given(str(tmp_path / "dnsdisco.yaml")), known_types=["consul"]).problems == ()
    data = ast.literal_eval(re.search(r'register_service\("web", (.*)\)$', EXAMPLES[1][1], re.MULTILINE)[1])
    assert registration_of("web", data).body["Check"]["HTTP"] == "http://10.0.0.11:8080/health"
