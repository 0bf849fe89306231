"""Questions and their errors: where the token goes, what an index is, and what a person is told."""

from __future__ import annotations

import logging
import ssl

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul import agent as agents
from dnsdisco.providers.consul.agent import Agent, AgentError, is_askable
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.options import Options
from tests.providers.consul import fake

SECRET = "5ec4e7-f00d"


@pytest.fixture
def consul():
    with fake.FakeConsul() as server:
        yield server


def agent(consul: fake.FakeConsul, **options) -> Agent:
    made = Options(address=consul.address, **options)
    return Agent(made, Credentials(made))


def refused(consul: fake.FakeConsul, lie, **options) -> AgentError:
    consul.be_honest()
    consul.lie("/v1/", lie)
    with pytest.raises(AgentError) as caught:
        agent(consul, **options).get("/v1/catalog/services")
    return caught.value


def test_the_token_is_in_a_header_and_nowhere_else(consul, caplog):
    caplog.set_level(logging.DEBUG)
    consul.token = SECRET
    agent(consul, token=f" {SECRET} \n").get("/v1/catalog/services", index=1, wait_s=1)
    (request,) = consul.requests
    assert request.headers["x-consul-token"] == SECRET
    assert "token" not in request.query
    assert SECRET not in request.path
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "lie",
    [fake.status(403, f"Permission denied: {SECRET}"), fake.status(500, SECRET), fake.body(f"<{SECRET}>"), fake.reset, fake.cut()],
)
def test_the_token_is_in_no_exception(consul, lie):
    error: BaseException | None = refused(consul, lie, token=SECRET)
    while error is not None:
        assert SECRET not in str(error) + repr(error) + repr(error.args)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_no_header_without_a_token(consul, monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", SECRET)
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "192.0.2.1:1")
    agent(consul).get("/v1/catalog/services")
    assert "x-consul-token" not in consul.requests[0].headers


def test_a_token_file_is_read_again_when_it_changes(consul, tmp_path):
    path = tmp_path / "token"
    made = agent(consul, token_file=str(path))
    with pytest.raises(ProviderError, match="No such file") as caught:
        made.get("/v1/status/leader")
    assert caught.value.is_denied
    seen = []
    for text in ("first\n", "second-one"):
        path.write_text(text)
        made.get("/v1/status/leader")
        seen.append(consul.requests[-1].headers["x-consul-token"])
    assert seen == ["first", "second-one"]
    path.unlink()  # it is being replaced
    made.get("/v1/status/leader")
    assert consul.requests[-1].headers["x-consul-token"] == "second-one"
    path.write_text("no token \n at all")
    made.get("/v1/status/leader")
    assert consul.requests[-1].headers["x-consul-token"] == "second-one"


def test_settings_become_parameters(consul):
    made = agent(consul, datacenter="dc2", stale=True)
    made.get("/v1/health/service", "a b/ü?#%", index=12, wait_s=0.01)
    (request,) = consul.requests
    assert request.path == "/v1/health/service/a b/ü?#%"
    assert request.query == {"dc": "dc2", "stale": "1", "index": "12", "wait": "10ms"}


@pytest.mark.parametrize(
    ("lie", "kind", "is_denied", "retry_after_s"),
    [
        (fake.status(403, "ACL not found"), "status", True, None),
        (fake.status(401, "x"), "status", True, None),
        (fake.status(429, "busy"), "status", False, 5.0),
        (fake.status(429, "busy", "Retry-After: 17\r\n"), "status", False, 17.0),
        (fake.status(503, "x", "Retry-After: 3\r\n"), "status", False, 3.0),
        (fake.status(503, "x", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"), "status", False, None),
        (fake.status(500, "No cluster leader"), "status", False, None),
        (fake.status(404, "<html>"), "status", False, None),
        (fake.status(204), "status", False, None),
        (fake.body("<html>login</html>"), "malformed", False, None),
        (fake.body('{"web": ['), "malformed", False, None),
        (fake.body("[" * 100_000), "malformed", False, None),
        (fake.body(b"\xff\xfe"), "malformed", False, None),
        (fake.body(""), "malformed", False, None),
        (fake.cut(0.2), "malformed", False, None),
        (fake.cut(0.9), "malformed", False, None),
        (fake.reset, "reset", False, None),
    ],
)
def test_errors(consul, lie, kind, is_denied, retry_after_s):
    error = refused(consul, lie)
    assert (error.kind, error.is_denied, error.retry_after_s) == (kind, is_denied, retry_after_s)
    assert error.reason.startswith(f"{consul.address}: ")
    assert len(error.reason) < 300
    assert error.reason.isprintable()


def test_what_the_agent_says_is_told(consul):
    assert "HTTP 500: No cluster leader" in refused(consul, fake.status(500, "No cluster\n leader")).reason
    assert "HTTP 403: ACL not found" in refused(consul, fake.status(403, "ACL not found\n\x1b[31m")).reason


def test_a_refused_connection_is_told_apart(consul):
    assert refused(consul, fake.status(429)).is_refusal
    assert refused(consul, fake.reset).is_refusal
    assert not refused(consul, fake.status(500)).is_refusal


@pytest.mark.parametrize(
    ("text", "index"),
    [("12", 12), ("0", 0), ("-5", 0), ("x", 0), ("", 0), (" 7 ", 7), ("9" * 30, 0), ("1.5", 0), ("9" * 19, 2**63)],
)
def test_an_index_is_a_number_or_none(consul, text, index):
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Consul-Index: {text}\r\n\r\n{{}}".encode()
    consul.lie("/v1/", fake.octets(raw, keeps=True))
    assert agent(consul).get("/v1/catalog/services").index == index


def test_without_an_index_there_is_nothing_to_block_on(consul):
    consul.has_index = False
    assert agent(consul).get("/v1/catalog/services").index == 0


def test_a_blocking_query_is_waited_for_and_a_late_one_is_not(consul, monkeypatch):
    monkeypatch.setattr(agents, "SLACK_S", 0.3)
    made = agent(consul)
    index = made.get("/v1/catalog/services").index
    assert made.get("/v1/catalog/services", index=index, wait_s=0.5).index == index
    consul.lie("/v1/", fake.hang())
    with pytest.raises(AgentError) as caught:
        made.get("/v1/catalog/services", index=index, wait_s=0.2)
    assert caught.value.kind == "timeout"


def test_a_put_that_is_refused_is_the_caller_s_fault(consul):
    consul.lie("/v1/agent", fake.status(400, "Invalid service address"))
    with pytest.raises(ValueError, match="refuses this: Invalid service address"):
        agent(consul).put("/v1/agent/service/register", data={"a": 1})


@pytest.mark.parametrize(
    ("name", "is_it"),
    [("web", True), ("a/b", True), ("a//b", True), ("a/../b", True), ("/a", True), (".", False), ("..", False), ("", False)],
)
def test_names_that_no_path_can_hold(name, is_it):
    assert is_askable(name) is is_it


@pytest.mark.parametrize(("key", "words"), [("ca_file", "ca_file"), ("client_cert", "client_cert")])
def test_files_for_tls_that_cannot_be_used(tmp_path, key, words):
    path = tmp_path / "x.pem"
    options = Options(address="https://127.0.0.1:1", **{key: str(path)})
    with pytest.raises(ProviderError, match=words) as caught:
        Credentials(options).context()
    assert caught.value.is_denied
    path.write_text("no PEM")
    with pytest.raises(ProviderError, match="no PEM file"):
        Credentials(options).context()


def test_verification_can_be_turned_off_and_is_on():
    assert Credentials(Options()).context().verify_mode is ssl.CERT_REQUIRED
    off = Credentials(Options(verify=False)).context()
    assert (off.verify_mode, off.check_hostname) == (ssl.CERT_NONE, False)
