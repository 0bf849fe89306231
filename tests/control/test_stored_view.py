"""The file of a view: all of it comes back, or none of it; and killing the writer at any moment leaves a whole one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import Label, label, parse, ViewUnusable
from dnsdisco.model import delta
from dnsdisco.model.claims import ChainPolicy, ChainSource
from dnsdisco.model.merge import merge
from dnsdisco.model.plain import checked_service, service_to_plain
from dnsdisco.model.public import reason_from, REASON_OCTETS_MAX
from dnsdisco.model.service import Check, Health, Instance, LeftOut, Port, Record, Service, Snapshot
from tests.control.harness import numbered

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OURS = Label("consul", "0123")
NOW = 1_760_000_000.25

TEXT = st.text(max_size=8)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
TAGS = st.lists(TEXT, max_size=2).map(tuple)
UINT16 = st.integers(0, 65535)
PORTS = st.lists(st.builds(Port, st.integers(1, 65535), TEXT, st.sampled_from(["", "tcp", "udp", "sctp"])), max_size=2).map(tuple)
INSTANCES = st.builds(
    Instance,
    TEXT,
    st.sampled_from(["10.0.0.1", "2001:db8::1", "::1", "db.example.com", "_x.y"]),
    PORTS,
    UINT16,
    UINT16,
    UINT16,
    TAGS,
    PAIRS,
    st.sampled_from(Health),
    TEXT,
    TEXT,
    st.booleans(),
)
TTLS = st.none() | st.integers(0, 2**31 - 1)
RECORDS = st.builds(Record, TEXT, TEXT | st.lists(TEXT, max_size=2).map(tuple), TEXT, TTLS)
CHECKS = st.builds(
    Check,
    TEXT,
    TEXT,
    st.floats(0.1, 86400),
    st.floats(0.01, 86400),
    st.integers(1, 100),
    st.integers(1, 100),
    st.sampled_from(Health),
    st.booleans(),
)
SERVICES = st.builds(
    Service,
    st.text(min_size=1, max_size=8),
    namespace=TEXT,
    is_default_namespace=st.booleans(),
    instances=st.lists(INSTANCES, max_size=3).map(tuple),
    url=TEXT,
    scheme=TEXT,
    ttl=TTLS,
    tags=TAGS,
    meta=PAIRS,
    records=st.lists(RECORDS, max_size=2).map(tuple),
    check=st.none() | CHECKS,
    when_all_unhealthy=st.sampled_from(["", "fail_open", "empty"]),
    alias_of=st.sampled_from(["", "db.example.com"]),
    left_out=st.none() | st.builds(LeftOut, st.integers(0, 500_000), TEXT.map(reason_from)),
    aliases=st.lists(st.text(min_size=1, max_size=8), max_size=3).map(tuple),
)
FULL = Service(
    "web",
    namespace="shop",
    is_default_namespace=False,
    instances=(
        Instance(
            "a",
            "10.0.0.1",
            (Port(80, "http"), Port(53, "", "udp")),
            5,
            2,
            1,
            ("v1",),
            (("k", "v"),),
            Health.WARNING,
            "h",
            "n",
            reason="HTTP 503",
        ),
        Instance("b", "2001:db8::1", is_virtual=True),
    ),
    url="http://x",
    scheme="http",
    ttl=7,
    tags=("public",),
    meta=(("a", "b"), ("a", "c")),
    records=(Record("TXT", ("a", "b"), "x", 3), Record("MX", "10 m.example")),
    check=Check(http="http://{address}:{port}/"),
    when_all_unhealthy="empty",
    left_out=LeftOut(2, "address: what was expected"),
    aliases=("www", "web_ui"),
)


def octets_of(folder: Path, *services: Service, whose: Label = OURS) -> bytes:
    stored_view.write(str(folder), whose, {service.key: service for service in services}, NOW)
    return whose.path(str(folder)).read_bytes()


# ------------------------------------------------------------------------------------------------------------ the whole of it


@given(SERVICES)
def test_every_field_comes_back(service: Service) -> None:
    text = json.dumps(service_to_plain(service))
    assert checked_service(json.loads(text)) == service


def test_no_field_is_forgotten() -> None:
    """A field that is added to the model and not here would be lost at the next start: every one differs from its default above."""
    for made, plain in ((FULL, Service("")), (FULL.instances[0], Instance("", "")), (FULL.records[0], Record("", ""))):
        same = [name for name in made.__slots__ if getattr(made, name) == getattr(plain, name)]
        assert same in ([], ["is_virtual", "label"], ["alias_of"]), same
    back = checked_service(service_to_plain(FULL))
    assert back == FULL
    assert back.instances[0].reason == "HTTP 503"


def test_a_view_without_reasons_is_read_and_a_long_one_is_cut() -> None:
    plain = service_to_plain(FULL)
    plain.pop()  # aliases
    assert checked_service(plain) == replace(FULL, aliases=())
    plain.pop()  # what was left out
    plain[-1][0].pop()
    read = checked_service(plain)
    assert (read.instances[0].reason, read.left_out, read.aliases) == ("", None, ())
    plain[-1][0].append("x" * 1000)
    assert len(checked_service(plain).instances[0].reason.encode()) == REASON_OCTETS_MAX


def test_written_and_read(tmp_path: Path) -> None:
    view = {**numbered(500).services, FULL.key: FULL}
    stored_view.write(str(tmp_path), OURS, view, NOW)
    stored = stored_view.read(str(tmp_path), OURS, NOW + 60)
    assert stored is not None
    assert stored.view.services == view
    assert list(stored.view.services) == list(view)
    assert stored.contact_at == NOW
    stored_view.touch(str(tmp_path), OURS, NOW + 30)
    assert stored_view.read(str(tmp_path), OURS, NOW + 60).contact_at == NOW + 30  # type: ignore[union-attr]
    assert stored_view.read(str(tmp_path), OURS, NOW + 10).contact_at == NOW + 10  # type: ignore[union-attr]  # a clock that was wrong
    folder = tmp_path / stored_view.FOLDER
    assert [path.name for path in folder.iterdir()] == ["consul.view"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert OURS.path(str(tmp_path)).stat().st_mode & 0o777 == 0o600
    assert stored_view.read(str(tmp_path), Label("other", ""), NOW) is None


def test_a_name_of_any_kind_is_a_file_of_its_own(tmp_path: Path) -> None:
    names = ["consul", "consul-2", "Consul", "../../etc/passwd", "a/b", "a_b", "x" * 300, "x" * 301, "\udcff", ".", ""]
    paths = {Label(name, "").path(str(tmp_path)) for name in names}
    assert len({path.name.lower() for path in paths}) == len(names)  # also where the file system knows no case
    assert {path.parent for path in paths} == {tmp_path / "views"}
    for name in names:
        assert octets_of(tmp_path, FULL, whose=Label(name, ""))


# ------------------------------------------------------------------------------------------------------------ damage


def test_no_flipped_bit_and_no_cut_passes(tmp_path: Path) -> None:
    octets = octets_of(tmp_path, FULL, Service("b"))
    assert len(parse(octets, OURS)[1]) == 2
    for at in range(len(octets)):
        with pytest.raises(ViewUnusable):
            parse(octets[:at], OURS)
        for bit in range(8):
            with pytest.raises(ViewUnusable):
                parse(octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :], OURS)
    lines = octets.splitlines(keepends=True)
    for damaged in (
        [*lines, b"\n"],
        [*lines, lines[-1]],
        lines[:1] + lines[2:],
        [lines[0], lines[2], lines[1], lines[3]],
        lines[1:],
    ):
        with pytest.raises(ViewUnusable):
            parse(b"".join(damaged), OURS)


@given(st.binary(max_size=200))
def test_no_garbage_passes(octets: bytes) -> None:
    with pytest.raises(ViewUnusable):
        parse(octets, OURS)


def test_deep_nesting_and_what_is_no_file_are_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ViewUnusable):
        parse(b"[" * 1_000_000, OURS)
    deep = b"[" * 100_000 + b"]" * 100_000 + b"\n"
    with pytest.raises(ViewUnusable, match="makes no sense"):
        parse(forged(tmp_path, deep), OURS)
    path = OURS.path(str(tmp_path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ViewUnusable, match="not a file"):
        stored_view.read(str(tmp_path), OURS, NOW)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([1e400, -1, 65536, 2**70, "", "a\x00b", "\ud800", "10.0.0.1", "x" * 5000])
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(0, 8), VALUES), min_size=1, max_size=4), st.data())
def test_what_somebody_has_forged_is_services_or_unusable(changes: list[tuple[int, int | None, Any]], data: st.DataObject) -> None:
    """With a digest that is right, for whoever can write the file can count, too: what is read can be published, or nothing is read."""
    plain: list[Any] = service_to_plain(numbered(1).services["", "s0"])
    for at, inner, value in changes:
        deeper = plain[at]
        if inner is not None and isinstance(deeper, list) and deeper and isinstance(deeper[0], list) and inner < len(deeper[0]):
            deeper[0][inner] = value
        else:
            plain[at] = value
    lines = [
        {"format": "dnsdisco view", "version": 1, "provider": OURS.provider, "settings": OURS.settings, "saved_at": NOW},
        plain,
    ]
    octets = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    octets += stored_view._tail(1, blake2b(octets, digest_size=stored_view.DIGEST_OCTETS))
    try:
        _, services = parse(octets, OURS)
    except ViewUnusable:
        return
    merger = merge([ChainSource("p")], ChainPolicy(), [Snapshot(services)])
    for entry in merger.entries.values():
        for message in delta.change(1, 2, [entry], (), ()):
            assert delta.pack(message)
    for service in services.values():
        assert checked_service(json.loads(json.dumps(service_to_plain(service)))) == service


def test_the_file_of_another_user_and_one_that_others_may_write_are_passed_over(tmp_path: Path) -> None:
    stored_view.write(str(tmp_path), OURS, numbered(2).services, NOW)
    path = OURS.path(str(tmp_path))
    path.chmod(0o666)
    with pytest.raises(ViewUnusable, match="everybody may write it"):
        stored_view.read(str(tmp_path), OURS, NOW)
    path.chmod(0o600)
    assert stored_view.read(str(tmp_path), OURS, NOW) is not None
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        with pytest.raises(ViewUnusable, match="it belongs to another user"):
            stored_view.read(str(tmp_path), OURS, NOW)


def test_a_newer_version_and_another_backend_are_passed_over_by_their_name(tmp_path: Path) -> None:
    octets = octets_of(tmp_path, FULL)
    with pytest.raises(ViewUnusable, match=r"another version \(2, not 1\)"):
        parse(octets.replace(b'"version":1', b'"version":2'), OURS)
    for whose in (Label("consul", "4567"), Label("consul-2", "0123")):
        with pytest.raises(ViewUnusable, match="other settings"):
            parse(octets, whose)


def forged(folder: Path, *lines: bytes, head: dict[str, Any] | None = None) -> bytes:
    """A file whose digest is right, whatever is in it."""
    first = octets_of(folder).splitlines(keepends=True)[0]
    covered = (json.dumps({**json.loads(first), **(head or {})}).encode() + b"\n" if head else first) + b"".join(lines)
    digest = blake2b(covered, digest_size=16).hexdigest()
    return covered + json.dumps({"services": len(lines), "blake2b": digest}, separators=(",", ":")).encode() + b"\n"


NONSENSE = [None, True, 1.5, -1, 70_000, "", "x", "fail", [], [[]], {}, [1], [["a"]], 10**400, "10.0.0.01", "FE80::1"]


def test_every_field_is_checked(tmp_path: Path) -> None:
    """Each place in turn holds each kind of nonsense: it is refused, or it is something that we would have written ourselves."""
    plain = service_to_plain(FULL)
    refused = 0
    for path in places(plain):
        for nonsense in NONSENSE:
            changed = json.loads(json.dumps(plain))
            put(changed, path, nonsense)
            try:
                service = checked_service(changed)
            except ValueError:
                refused += 1
            else:
                assert checked_service(service_to_plain(service)) == service
    assert refused > 400
    line = json.dumps([*plain[:12], [["a", "10.0.0.999", []]]]).encode() + b"\n"
    with pytest.raises(ViewUnusable, match=r"makes no sense: .*10\.0\.0\.999"):
        parse(forged(tmp_path, line), OURS)
    twice = json.dumps(plain).encode() + b"\n"
    with pytest.raises(ViewUnusable, match="twice"):
        parse(forged(tmp_path, twice, twice), OURS)
    assert parse(forged(tmp_path, twice), OURS)[1] == {FULL.key: FULL}
    for head in (
        {"saved_at": "1"},
        {"saved_at": -1},
        {"saved_at": 1e300},
        {"saved_at": float("nan")},
        {"version": "1"},
        {"provider": 1},
    ):
        with pytest.raises(ViewUnusable):
            parse(forged(tmp_path, head=head), OURS)


def places(plain: Any, at: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    inner = [place for n, each in enumerate(plain) for place in places(each, (*at, n))] if isinstance(plain, list) else []
    return [at, *inner] if at else inner


def put(plain: Any, path: tuple[int, ...], value: Any) -> None:
    for step in path[:-1]:
        plain = plain[step]
    plain[path[-1]] = value


# ------------------------------------------------------------------------------------------------------------ whose it is


def test_the_label_tells_one_backend_from_another_and_knows_no_secret() -> None:
    base = label("consul", "consul", {"address": "http://a:8500", "token": "x"}, {"CONSUL_HTTP_TOKEN": "y", "PATH": "/bin"})
    assert base == label("consul", "consul", {"token": "z", "address": "http://a:8500"}, {"CONSUL_HTTP_TOKEN": "w"})
    others = [
        label("consul", "consul", {"address": "http://b:8500"}, {}),
        label("consul", "consul", {"address": "http://a:8500"}, {"CONSUL_HTTP_ADDR": "c"}),
        label("consul", "nomad", {"address": "http://a:8500"}, {}),
        label("kubernetes", "kubernetes", {}, {"KUBECONFIG": "a"}, more_variables=("KUBECONFIG",)),
        label("kubernetes", "kubernetes", {}, {"KUBECONFIG": "b"}, more_variables=("KUBECONFIG",)),
        label("my-plug.in", "my-plug.in", {"x": object}, {"MY_PLUG_IN_URL": "a"}),
        label("my-plug.in", "my-plug.in", {"x": object}, {"MY_PLUG_IN_URL": "b"}),
    ]
    assert len({each.settings for each in (base, *others)}) == len(others) + 1


# ------------------------------------------------------------------------------------------------------------ the disk

WRITER = """
import os, sys, time
from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import Label
from tests.control.harness import numbered
whose = Label("consul", "0123")
views = [numbered(400, f"10.0.0.{n}").services for n in range(1, 11)]
for _ in range(110):  # one interpreter, many writers: it forks a child for each kill
    pid = os.fork()
    if not pid:
        break
    print(pid, flush=True)
    os.waitpid(pid, 0)
else:
    os._exit(0)
number = os.getpid()
while True:
    number += 1
    stored_view.write(sys.argv[1], whose, views[number % 10], time.time())
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_view(tmp_path: Path) -> None:
    draw, kills, whole = random.Random(1), 0, set()
    octets_of(tmp_path, *numbered(400, "10.0.0.1").services.values())
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            time.sleep(draw.uniform(0.0, 0.025))
            os.kill(int(line), signal.SIGKILL)
            kills += 1
            stored = stored_view.read(str(tmp_path), OURS, time.time())
            assert stored is not None
            assert len(stored.view.services) == 400
            (address,) = {service.instances[0].address for service in stored.view.services.values()}
            whole.add(address)
    assert kills == 110
    assert len(whole) > 3  # they did write
    caught = len(list((tmp_path / "views").glob("*.new")))
    assert caught > 20  # at it
    stored_view.sweep(str(tmp_path))
    assert len(list((tmp_path / "views").glob("*.new"))) == caught  # it may be another process that is writing
    for path in (tmp_path / "views").glob("*.new"):
        os.utime(path, (1, 1))
    stored_view.sweep(str(tmp_path))
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["consul.view"]


FULL_DISK = """
import os, sys, time
from dnsdisco.control import stored_view
from dnsdisco.control.stored_view import Label
from tests.control.harness import numbered
folder, whose = sys.argv[1], Label("consul", "0123")
stored_view.write(folder, whose, numbered(100).services, time.time())
for count in (5_000, 2_000, 50_000):
    try:
        stored_view.write(folder, whose, numbered(count).services, time.time())
    except OSError as error:
        print(error.strerror)
    assert len(stored_view.read(folder, whose, time.time()).view.services) == 100
    assert os.listdir(folder + "/views") == ["consul.view"]
os.system("mount -o remount,ro " + folder)
try:
    stored_view.write(folder, whose, numbered(1).services, time.time())
except OSError as error:
    print(error.strerror)
print(len(stored_view.read(folder, whose, time.time()).view.services))
"""


def _can_mount() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _can_mount(), reason="no file system can be mounted here")
def test_a_full_disk_and_one_that_is_read_only_leave_what_was_there(tmp_path: Path) -> None:
    command = f'mount -t tmpfs -o size=64k none {tmp_path} && exec {sys.executable} -c "$1" {tmp_path}'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, "sh", FULL_DISK], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["No space left on device"] * 3 + ["Read-only file system", "100"]


def test_a_view_that_is_too_large_is_not_kept_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    octets_of(tmp_path, FULL)
    monkeypatch.setattr(stored_view, "OCTETS_MAX", 300)
    with pytest.raises(ViewUnusable, match="larger than 300 octets"):
        stored_view.read(str(tmp_path), OURS, NOW)
    with pytest.raises(ViewUnusable, match="larger than 300 octets"):
        octets_of(tmp_path, *numbered(10).services.values())
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["consul.view"]
    monkeypatch.undo()
    assert stored_view.read(str(tmp_path), OURS, NOW).view.services == {FULL.key: FULL}  # type: ignore[union-attr]


@settings(max_examples=30)
@given(st.lists(SERVICES, max_size=5))
def test_any_view_comes_back_from_the_disk(services: list[Service]) -> None:
    import tempfile

    view = {service.key: service for service in services}
    with tempfile.TemporaryDirectory() as folder:
        stored_view.write(folder, OURS, view, NOW)
        assert stored_view.read(folder, OURS, NOW).view.services == view  # type: ignore[union-attr]
