"""The Dockerfile's image: built by buildah and run by Podman, it answers, is healthy, is not root, and is small."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest

from tests.whole.image import BASE, Engine, IMAGE, missing, ROOT, Unavailable

MB = 1_000_000
GROWTH_OCTETS_MAX = 150 * MB  # above the base, with every extra
MISSING = missing()
LEAST = "--network none --read-only --cap-drop ALL --cap-add NET_BIND_SERVICE"

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    if MISSING:
        pytest.skip(f"no {MISSING} here: the image cannot be built and run")
    made = Engine(tmp_path_factory.mktemp("image"))
    try:
        made.import_base()
    except (Unavailable, subprocess.TimeoutExpired) as error:
        pytest.skip(str(error))
    made.build()
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)  # gigabytes: each layer and each container is a whole tree


def test_it_is_small_and_says_what_it_is(engine, record_property):
    growth = engine.octets(IMAGE) - engine.octets(BASE)
    record_property("octets above its base", growth)
    print(f"{growth / MB:.0f} MB above its base")
    assert growth <= GROWTH_OCTETS_MAX, f"{growth / MB:.0f} MB above its base"
    config = engine.inspect(IMAGE)
    assert config["User"] == "5353"
    assert set(config["ExposedPorts"]) == {"53/udp", "53/tcp", "8053/tcp"}
    assert config["Healthcheck"]["Test"] == ["CMD", "dnsdisco", "query", "localhost."]


def test_it_runs_with_least_rights_and_is_healthy_whatever_it_serves(engine, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("zones: [corp.example]\nlisten: ['0.0.0.0:5353']\nhttp: off\nproviders: [env]\nforward: {upstreams: []}\n")
    own.chmod(0o644)
    ran = engine.run(
        f"""
        healthy() {{ for try in $(seq 100); do podman healthcheck run $1 >/dev/null 2>&1 && return; sleep 0.1; done; podman logs $1; return 1; }}
        podman run -d --name plain {LEAST} {IMAGE} >/dev/null
        podman run -d --name other {LEAST} {IMAGE} serve --zone corp.example --http off --upstream none >/dev/null
        podman run -d --name own {LEAST} -v {own}:/etc/dnsdisco/dnsdisco.yaml:ro {IMAGE} serve >/dev/null
        for name in plain other own; do healthy $name; echo "$name is healthy"; done
        podman exec plain dnsdisco query web.svc.local
        podman exec other dnsdisco query corp.example SOA
        podman exec plain sh -c 'echo "user $(id -u), lists $(ls /var/lib/apt/lists | wc -l)"; touch /etc/x 2>&1 || :'
        podman exec plain python3 -c '
import urllib.request
page = urllib.request.urlopen("http://127.0.0.1:8053/health")
everywhere = "00000000:%04X" % 8053
print("http", page.status, "everywhere" if everywhere in open("/proc/net/tcp").read() else "here")'
        podman kill --signal STOP plain >/dev/null
        podman exec plain sh -c 'kill -STOP -1'
        if podman healthcheck run plain >/dev/null 2>&1; then echo stopped and healthy; else echo stopped and unhealthy; fi
        podman stop -t 10 other own >/dev/null 2>&1
        podman inspect --format 'exit {{{{.State.ExitCode}}}}' other own
        """
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["plain is healthy", "other is healthy", "own is healthy"]
    assert re.search(r"^web\.svc\.local\.\s+\d+\s+A\s+10\.0\.0\.11$", ran.stdout, re.MULTILINE)
    assert re.search(r"^corp\.example\.\s+\d+\s+SOA", ran.stdout, re.MULTILINE)
    assert "user 5353, lists 0" in lines
    assert "Read-only file system" in ran.stdout
    assert "http 200 everywhere" in lines
    assert lines[-3:] == ["stopped and unhealthy", "exit 0", "exit 0"]  # the check can fail


def test_the_dockerfile_takes_its_arguments():
    text = (ROOT / "Dockerfile").read_text()
    page = (ROOT / "docs" / "container.md").read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(\S*)", text, re.MULTILINE))
    listed = dict(re.findall(r"^\| `([A-Z]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    assert arguments == listed
    assert set(re.findall(r"`(\w+)`", re.search(r"the optional parts(.*)", page)[1])) < set(extras())


@pytest.mark.parametrize(("given", "installed"), [("", "."), ("all", ".[all]"), ("consul,doh", ".[consul,doh]")])
def test_extras_are_what_pip_is_asked_for(given, installed):
    """Without a build: what the shell of the RUN line makes of the argument."""
    (written,) = re.findall(r'install --no-cache-dir --no-compile ("[^"]+")', (ROOT / "Dockerfile").read_text())
    said = subprocess.run(["sh", "-c", f"echo {written}"], env={"EXTRAS": given}, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == installed
    assert set(filter(None, given.split(","))) <= set(extras())


def extras():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
