"""`query`: whom it asks, over which transport, in dig's forms; beside dig and kdig, of a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnsdisco.cli import main
from tests.certificates import Made, make
from tests.forward.upstream import free_port
from tests.whole.server import Server

SERVICES = """\
web: {instances: [{id: web-1, address: 10.0.0.11, port: 80}, {id: web-2, address: 10.0.0.12, port: 81}]}
alias: {address: other.example, port: 80}
texts: {address: 10.0.0.13, port: 80, records: [{type: TXT, value: "a \\"b\\" c"}]}
"""


def needs(program: str) -> Any:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} on this machine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DNSDISCO_CONTROL", raising=False)
    (tmp_path / "services.yaml").write_text(SERVICES)
    return tmp_path


@pytest.fixture
def made(folder: Path) -> Made:
    return make(folder)


@pytest.fixture
def server(folder: Path, made: Made) -> Iterator[tuple[Server, int, int]]:
    """With the ports of its TLS and its HTTPS listener."""
    tls, https = free_port(), free_port()
    (folder / "dnsdisco.yaml").write_text(
        f"listen: [127.0.0.1:0, tls://127.0.0.1:{tls}, https://127.0.0.1:{https}/dns-query]\nzones: [corp.internal, svc.local]\n"
        f"tls: {{certificate: {made.certificate}, key: {made.key}}}\nproviders: [{{type: static, path: services.yaml}}]\n"
        "forward: {upstreams: []}\nhttp: off\nstate_dir: state\n"
    )
    with Server(cwd=folder, listen=None) as running:
        yield running, tls, https


def said(capsys: Any, *args: str) -> tuple[int, str, str]:
    status = main(["query", *args])
    out, err = capsys.readouterr()
    return status, out, err


def printed(*command: str) -> list[str]:
    environ = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20, env=environ).stdout.splitlines()


def test_the_server_that_runs_here_on_its_own_port(server: tuple[Server, int, int], folder: Path, capsys: Any) -> None:
    """Found by its control socket: the configuration has port 0. Its zone, too, whatever the file says by now."""
    (folder / "dnsdisco.yaml").write_text("listen: [127.0.0.1:1]\nzones: [other.example]\nstate_dir: state\nttl: soon\n")
    status, out, err = said(capsys, "web")
    assert (status, err) == (0, "")
    assert out.startswith(";; web.corp.internal. A: NOERROR")
    assert f"from 127.0.0.1:{server[0].port} over UDP" in out


def test_without_a_server_the_configuration(folder: Path, capsys: Any) -> None:
    port = free_port()
    (folder / "dnsdisco.yaml").write_text(f"listen: [127.0.0.1:{port}]\nstate_dir: state\n")
    status, out, err = said(capsys, "web")
    assert (status, out) == (2, "")
    assert f"nothing listens on 127.0.0.1:{port}" in err


@pytest.mark.parametrize(("scheme", "at"), [("tls", 1), ("https", 2)])
def test_encrypted(
    server: tuple[Server, int, int], made: Made, capsys: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, at: int
) -> None:
    """A mere address is not verified, and that is said; a name is, and one that is wrong gives no answer."""
    pytest.importorskip("h2")
    place = f"{scheme}://127.0.0.1:{server[at]}{'/dns-query' if scheme == 'https' else ''}"
    status, out, err = said(capsys, "web.svc.local", "SRV", "--server", place)
    assert (status, err) == (0, "")
    assert f"from {place} over {scheme.upper()}, its certificate not verified: no name was given" in out
    status, out, err = said(capsys, "web.svc.local", f"@{place}#localhost")
    assert (status, out) == (2, "")
    assert "is not valid for localhost" in err
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    status, out, err = said(capsys, "web.svc.local", f"@{place}#localhost", "--json")
    assert (status, err) == (0, "")
    plain = json.loads(out)
    assert (plain["server"], plain["transport"], plain["rcode"]) == (f"{place}#localhost", scheme, "NOERROR")
    assert {each["data"] for each in plain["answer"]} == {"10.0.0.11", "10.0.0.12"}
    status, out, err = said(capsys, "web.svc.local", f"@{place}#wrong.example")
    assert (status, "is not valid for wrong.example" in err) == (2, True)
    assert said(capsys, "nobody.svc.local", f"@{place}")[0] == 1
    assert said(capsys, "web.svc.local", f"@{place}", "--tcp")[0] == 2


def test_a_host_name_is_what_the_certificate_is_for(
    server: tuple[Server, int, int], made: Made, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("h2")
    _, tls, https = server
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    for place in (f"tls://localhost:{tls}", f"https://localhost:{https}/dns-query"):
        status, out, err = said(capsys, "web.svc.local", "--server", place)
        assert (status, err) == (0, ""), place
        assert "not verified" not in out


def test_what_listens_there_is_something_else(server: tuple[Server, int, int], capsys: Any) -> None:
    pytest.importorskip("h2")
    running, tls, https = server
    for place, words in (
        (f"tls://127.0.0.1:{free_port()}", "nothing listens on"),
        (f"tls://127.0.0.1:{running.port}", "tls://127.0.0.1"),
        (f"https://127.0.0.1:{https}/elsewhere", "HTTP status 404"),
        (f"https://127.0.0.1:{tls}/dns-query", "https://127.0.0.1"),
    ):
        status, out, err = said(capsys, "web.svc.local", "--server", place)
        assert (status, out, words in err) == (2, "", True), err


@needs("kdig")
def test_beside_kdig_over_tls_and_https(server: tuple[Server, int, int], capsys: Any) -> None:
    pytest.importorskip("h2")
    running, tls, https = server
    for how, port, place in (
        (["+tls"], tls, f"tls://127.0.0.1:{tls}"),
        (["+https=/dns-query"], https, f"https://127.0.0.1:{https}/dns-query"),
        ([], running.port, f"127.0.0.1:{running.port}"),
    ):
        for name, rtype in (
            ("web.svc.local", "A"),
            ("web.svc.local", "SRV"),
            ("nobody.svc.local", "A"),
            ("texts.svc.local", "TXT"),
        ):
            theirs = printed("kdig", "+short", *how, "-p", str(port), "@127.0.0.1", name, rtype)
            ours = said(capsys, "+short", f"@{place}", name, rtype)[1].splitlines()
            assert sorted(ours) == sorted(theirs), (place, name, rtype)


@needs("dig")
@pytest.mark.parametrize(
    "args",
    [["web.svc.local"], ["web.svc.local", "SRV"], ["-x", "10.0.0.11"], ["alias.svc.local", "A"], ["texts.svc.local", "TXT"], ["nobody.svc.local"], ["svc.local", "SOA"]],
)  # fmt: skip
def test_short_beside_dig(server: tuple[Server, int, int], capsys: Any, args: list[str]) -> None:
    running, _, _ = server
    theirs = printed("dig", "@127.0.0.1", "-p", str(running.port), "+short", *args)
    status, out, err = said(capsys, f"@127.0.0.1:{running.port}", "+short", *args)
    assert sorted(out.splitlines()) == sorted(theirs)
    assert (status, err) == (0 if theirs else 1, "")


def test_reverse_with_and_without_the_option(server: tuple[Server, int, int], capsys: Any) -> None:
    answers = [said(capsys, *args, "+short")[:2] for args in (["-x", "10.0.0.11"], ["10.0.0.11"], ["10.0.0.11", "PTR"])]
    assert answers == [(0, "web-1.web.corp.internal.\n")] * 3


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["@a.example", "--server", "b.example", "web"], "one server is asked, and not a.example and b.example"),
        (["@127.0.0.1", "@127.0.0.2", "web"], "one server is asked"),
        (["web", "+trace"], "+trace is not known here: there is +short"),
        (["web", "+tcp"], "--tcp asks over TCP"),
        (["-x", "web"], "-x: expected an IP address, found 'web'"),
        (["-x", "10.0.0.1", "web", "A"], "unexpected extra argument"),
        (["+short"], "Missing argument 'NAME'"),
        (["web", "@http://127.0.0.1/"], "--server: expected an upstream such as"),
        (["web", "@tls://"], "--server: "),
        (["web", "@tls://a b"], "--server: "),
    ],
)
def test_wrong_usage(folder: Path, capsys: Any, args: list[str], words: str) -> None:
    status, out, err = said(capsys, *args)
    assert (status, out) == (2, "")
    assert words in err
