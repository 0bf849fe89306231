"""The static provider writes: what is kept, who waits for whom, and when it refuses."""

import errno
import fcntl
import json
import multiprocessing
import os
import stat
import threading
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsdisco.errors import NotSupported, ProviderError
from dnsdisco.providers.static import atomic_file, StaticServiceDiscovery
from dnsdisco.providers.static.change import put, remove
from dnsdisco.providers.static.edit import edit
from dnsdisco.providers.static.text import parse

pytestmark = pytest.mark.slow

NEW = {
    "address": "localhost",
    "port": 8080,
    "tags": ["http", "api"],
    "check": {"http": "http://localhost:8080/health", "interval": "10s"},
}

FILE = """\
# our services
auth: {url: "http://auth-service:5001", address: auth-service, port: 5001}   # the seed's form

# the shop
web:   # in full
  scheme: http
  instances:
    # the first one
    - {id: web-1, address: 10.0.0.11, port: 8080, weight: 10}  # main
    - {id: web-2, address: "2001:db8::12", ports: {http: 8080}}
  check: {http: "http://{address}:{port}/health", interval: 10s}  # often
  # about web

# about mail
mail:
    address: mail.example   # é
    port: 25
    meta: {version: 1.10, x: yes, 'q': "z"}
# the end
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "services.yaml"
    path.write_text(FILE)
    return path


def lines(text):
    return text.splitlines(keepends=True)


def test_a_new_service_goes_to_the_end(path):
    assert StaticServiceDiscovery(path).register_service("my-service", NEW) == "my-service-localhost-8080"
    assert path.read_text() == FILE + (
        "my-service:\n"
        "  address: localhost\n"
        "  port: 8080\n"
        "  tags: [http, api]\n"
        "  check:\n"
        '    http: "http://localhost:8080/health"\n'
        "    interval: 10s\n"
    )
    assert StaticServiceDiscovery(path).deregister_service("my-service")
    assert path.read_text() == FILE


def test_new_texts_are_quoted_where_a_reader_could_mistake_them(path):
    provider = StaticServiceDiscovery(path)
    provider.register_service("web", {"address": "::1", "port": 1, "tags": ["yes", "1.10", "v1"]})
    assert '    - {address: "::1", port: 1, tags: ["yes", "1.10", v1]}\n' in path.read_text()


def test_a_second_instance_joins_the_others_as_they_are_written(path):
    StaticServiceDiscovery(path).register_service("web", {"id": "web-3", "address": "10.0.0.13", "port": 8080, "tags": ["x"]})
    added = "    - {id: web-3, address: 10.0.0.13, port: 8080, tags: [x]}\n"
    assert path.read_text() == FILE.replace("{http: 8080}}\n", "{http: 8080}}\n" + added)


def test_the_seed_s_form_grows_into_the_full_form(path):
    provider = StaticServiceDiscovery(path)
    provider.register_service("auth", {"id": "b", "address": "10.0.0.9", "port": 1})
    text = path.read_text()
    assert "auth:" in text
    assert "# the seed's form\n" in text
    assert '    - {url: "http://auth-service:5001", address: auth-service, port: 5001}\n' in text
    assert "    - {id: b, address: 10.0.0.9, port: 1}\n" in text
    assert text.partition("# the shop")[2] == FILE.partition("# the shop")[2]
    assert [each["address"] for each in provider.get_service("auth")["instances"]] == ["auth-service", "10.0.0.9"]


def test_growing_keeps_the_comments_and_the_indentation(path):
    StaticServiceDiscovery(path).register_service("mail", {"id": "b", "address": "10.0.0.9", "port": 1})
    text = path.read_text()
    assert text.partition("mail:")[0] == FILE.partition("mail:")[0]
    assert text.partition("mail:")[2] == (
        "\n"
        "    instances:\n"
        "      - address: mail.example # é\n"
        "        port: 25\n"
        "        meta: {version: 1.10, x: yes, 'q': \"z\"}\n"
        "      - id: b\n"
        "        address: 10.0.0.9\n"
        "        port: 1\n"
        "# the end\n"
    )


MIXED = """\
web:   # in full
  instances:   # both styles
    # the first
    - {id: web-1, address: 10.0.0.11, port: 8080}   # one
    - id: web-2   # two
      # its address
      address: 10.0.0.12
      port: 8080   # the last line of it
    # about nobody
  ttl: 10   # seconds
"""


def test_an_instance_among_comments_and_both_styles(path):
    """ruamel.yaml runs lines together here."""
    path.write_text(MIXED)
    provider = StaticServiceDiscovery(path)
    provider.register_service("web", {"id": "web-3", "address": "10.0.0.13", "port": 8080})
    third = "    - id: web-3\n      address: 10.0.0.13\n      port: 8080\n"
    with_third = MIXED.replace("    # about", third + "    # about")
    assert path.read_text() == with_third
    provider.register_service("web", {"id": "web-1", "address": "10.0.0.14", "port": 8080})
    assert provider.get_service("web")["instances"][0]["address"] == "10.0.0.14"
    provider.deregister_service("web", "web-1")
    without_first = with_third.replace("    - {id: web-1, address: 10.0.0.11, port: 8080}   # one\n", "")
    assert path.read_text() == without_first
    provider.deregister_service("web", "web-3")
    assert path.read_text() == without_first.replace(third, "")


def test_an_entry_in_one_line_keeps_the_comment_behind_it(path):
    provider = StaticServiceDiscovery(path)
    provider.register_service("web", {"id": "web-1", "address": "10.0.0.19", "port": 8080})
    assert "    - {id: web-1, address: 10.0.0.19, port: 8080}  # main\n" in path.read_text()


def test_what_says_the_same_is_not_written_anew(path):
    before = path.stat()
    provider = StaticServiceDiscovery(path)
    assert provider.register_service("auth", {"url": "http://auth-service:5001"}) == "auth-auth-service-5001"
    assert provider.register_service("web", {"id": "web-1", "address": "10.0.0.11", "port": 8080, "weight": 10}) == "web-1"
    assert path.read_text() == FILE
    assert path.stat().st_ino == before.st_ino


def test_a_new_service_goes_before_the_end_of_the_document(path):
    path.write_text("auth: {address: 10.0.0.1}  # one\n...\n")
    StaticServiceDiscovery(path).register_service("web", {"address": "10.0.0.2"})
    assert path.read_text() == "auth: {address: 10.0.0.1}  # one\nweb:\n  address: 10.0.0.2\n...\n"


def test_each_instance_that_comes_with_a_check_of_itself_stays_checked(path):
    path.write_text("")
    provider = StaticServiceDiscovery(path)
    for host, port in (("10.0.0.1", 80), ("10.0.0.2", 81), ("fd00::3", 82)):
        shown = f"[{host}]" if ":" in host else host
        check = {"http": f"http://{shown}:{port}/health", "interval": "5s"}
        provider.register_service("web", {"address": host, "port": port, "check": check})
        provider.register_service("web", {"address": host, "port": port, "check": check})
    assert parse(path.read_text(), "x.yaml")["web"]["check"] == {"http": "http://{address}:{port}/health", "interval": "5s"}
    assert provider.rejected == 0
    provider.register_service("tcp", {"address": "10.0.0.1", "port": 80, "check": {"tcp": "10.0.0.1:80"}})
    provider.register_service("tcp", {"address": "10.0.0.2", "port": 80})
    assert parse(path.read_text(), "x.yaml")["tcp"]["check"] == {"tcp": "10.0.0.1:80"}
    provider.register_service("tcp", {"address": "10.0.0.2", "port": 80, "check": {"tcp": "{address}:{port}"}})
    assert parse(path.read_text(), "x.yaml")["tcp"]["check"] == {"tcp": "{address}:{port}"}
    provider.register_service("tcp", {"address": "10.0.0.3", "port": 80, "check": {"http": "http://10.0.0.3/another"}})
    assert parse(path.read_text(), "x.yaml")["tcp"]["check"] == {"http": "http://{address}:{port}/another"}
    assert provider.rejected == 0
    for address, path_of_url in (("10.0.0.1", "a"), ("10.0.0.2", "b")):
        other = {"http": f"http://{address}:80/{path_of_url}"}
        provider.register_service("two", {"address": address, "port": 80, "check": other})
    assert parse(path.read_text(), "x.yaml")["two"]["check"] == other


def test_the_same_id_replaces(path):
    provider = StaticServiceDiscovery(path)
    provider.register_service("web", {"id": "web-1", "address": "10.0.0.99", "port": 8080})
    changed = [line for line in lines(path.read_text()) if line not in lines(FILE)]
    assert len(changed) == 1
    assert "{id: web-1, address: 10.0.0.99, port: 8080}" in changed[0]
    assert "# main" in changed[0]
    provider.register_service("mail", {"address": "mail.example", "port": 25, "weight": 3})
    service = provider.get_service("mail")
    assert (service["instances"][0]["weight"], service["meta"]) == (3, {})


@pytest.mark.parametrize(
    ("name", "instance", "gone"),
    [
        ("web", "web-1", ["    - {id: web-1, address: 10.0.0.11, port: 8080, weight: 10}  # main\n"]),
        ("auth", None, lines(FILE)[1:2]),
        ("web", None, lines(FILE)[4:11]),
        ("mail", "mail-mail.example-25", lines(FILE)[14:18]),
    ],
)
def test_deregistering_takes_only_its_lines(path, name, instance, gone):
    assert StaticServiceDiscovery(path).deregister_service(name, instance) is True
    assert path.read_text() == FILE.replace("".join(gone), "")


@pytest.mark.parametrize(("name", "instance"), [("nobody", None), ("web", "web-9"), ("auth", "x")])
def test_deregistering_nothing_leaves_the_file_alone(path, name, instance):
    before = path.stat()
    assert StaticServiceDiscovery(path).deregister_service(name, instance) is False
    assert path.stat() == before or path.stat().st_ino == before.st_ino


def test_a_service_with_records_stays(path):
    path.write_text("a:\n  address: 10.0.0.1\n  records: [{type: TXT, value: x}]\n")
    provider = StaticServiceDiscovery(path)
    assert provider.deregister_service("a")
    assert path.read_text() == "a:\n  records: [{type: TXT, value: x}]\n  instances: []\n"
    assert provider.deregister_service("a") is False
    provider.register_service("a", {"address": "10.0.0.2"})
    assert [each["address"] for each in provider.get_service("a")["instances"]] == ["10.0.0.2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "---\n",
        "{}\n",
        "null\n",
        "{a: {address: 10.0.0.1}}\n",
        "---\na: {address: 10.0.0.1}  # x\n",
        "a: {address: 10.0.0.1}\n...\n",
        "  a: {address: 10.0.0.1}\n",
        "a: {address: 10.0.0.1}",
        "a: {address: 10.0.0.1}\nmy-service:\n",
        '"my-service": {address: localhost, port: 8080}\n',
        "? my-service\n: {address: 10.0.0.1}\n",
        ".d: &d {port: 8080}\nmy-service: {<<: *d, address: 10.0.0.1}\nb: {<<: *d, address: 10.0.0.2}\n",
        "my-service:\n  records:\n  - type: TXT\n    value: |\n      text\n  address: 10.0.0.1\n# after\nb: {address: 10.0.0.2}\n",
        "my-service:\n  address: 10.0.0.1\n  records:\n  - type: TXT\n    value: >-\n      text\n\n# after\nb: {address: 10.0.0.2}\n",
        "my-service: {instances: [{address: 10.0.0.1}]}\n",
        "my-service:\n  instances:\n  - address: 10.0.0.1\n    port: 1\n",
        "my-service: {address: '?'}\n",
        "é: {address: 10.0.0.1}\nmy-service: {address: 10.0.0.1, meta: {a: é}}\nb: {address: 10.0.0.2}\n",
    ],
)
def test_every_shape_of_file(path, text):
    path.write_text(text)
    provider = StaticServiceDiscovery(path)
    before = provider.get_services()
    instance = provider.register_service("my-service", NEW)
    ids = [each["id"] for each in provider.get_service("my-service")["instances"]]
    assert instance in ids
    assert len(ids) == len(set(ids))
    after = provider.get_services()
    assert {name: after[name] for name in before if name != "my-service"} == {
        name: before[name] for name in before if name != "my-service"
    }
    for comment in [line.partition("#")[2] for line in lines(text) if "#" in line]:
        assert comment in path.read_text()
    assert provider.deregister_service("my-service", instance)
    assert instance not in [each["id"] for each in (provider.get_service("my-service") or {"instances": []})["instances"]]


@pytest.mark.parametrize(
    "change",
    [
        lambda provider: provider.deregister_service("a"),
        lambda provider: provider.register_service("a", {"id": "x", "address": "10.0.0.9"}),
    ],
)
def test_what_cannot_be_edited_without_a_risk_is_refused(path, change):
    """`b` is an alias of what is to be changed: it would change, too."""
    text = "a: &a {address: 10.0.0.1, port: 80}\nb: *a\n"
    path.write_text(text)
    with pytest.raises(NotSupported, match="by hand"):
        change(StaticServiceDiscovery(path))
    assert path.read_text() == text


def test_line_ends_and_the_byte_order_mark_stay(path):
    path.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    provider = StaticServiceDiscovery(path)
    provider.register_service("new", {"address": "10.0.0.1", "port": 1})
    provider.register_service("web", {"address": "10.0.0.1", "port": 1})
    octets = path.read_bytes()
    assert octets.startswith(b"\xef\xbb\xbf#")
    assert octets.count(b"\n") == octets.count(b"\r\n") == FILE.count("\n") + 4
    provider.deregister_service("new")
    provider.deregister_service("web", "web-10.0.0.1-1")
    assert path.read_bytes() == b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": {"address": "10.0.0.1", "meta": {"é": "x"}}}, indent=4, ensure_ascii=False) + "\n",
        json.dumps({"a": {"address": "10.0.0.1", "meta": {"é": "x"}}}, indent="\t"),
        json.dumps({"a": {"address": "10.0.0.1"}}, separators=(",", ":")),
        json.dumps({"a": {"address": "10.0.0.1"}}),
        '{\r\n  "a": {\r\n    "address": "10.0.0.1"\r\n  }\r\n}\r\n',
        '{"a": {"address": "10.0.0.1", "meta": {"v": 1.10, "w": "1.10", "e": 1e5}}}\n',
    ],
)
def test_json_stays_json_with_its_indentation(tmp_path, text):
    path = tmp_path / "services.json"
    path.write_bytes(text.encode())
    provider = StaticServiceDiscovery(path)
    provider.register_service("b", NEW)
    written = path.read_bytes().decode()
    assert json.loads(written)["b"] == NEW
    assert provider.deregister_service("b")
    assert path.read_bytes().decode() == text


def test_json_grows_too(tmp_path):
    path = tmp_path / "services.json"
    path.write_text('{"auth": {"url": "http://auth:1", "ttl": 5}}')
    StaticServiceDiscovery(path).register_service("auth", {"id": "b", "address": "10.0.0.1", "port": 2})
    instances = [{"url": "http://auth:1"}, {"id": "b", "address": "10.0.0.1", "port": 2}]
    assert json.loads(path.read_text()) == {"auth": {"ttl": 5, "instances": instances}}


def test_a_file_is_made_where_there_is_none(tmp_path):
    for name in ("new.yaml", "new.json"):
        path = tmp_path / name
        StaticServiceDiscovery(path).register_service("a", {"address": "10.0.0.1", "port": 80})
        assert StaticServiceDiscovery(path).get_service_url("a") == "http://10.0.0.1:80"
        assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    assert json.loads((tmp_path / "new.json").read_text()) == {"a": {"address": "10.0.0.1", "port": 80}}
    assert (tmp_path / "new.yaml").read_text() == "a:\n  address: 10.0.0.1\n  port: 80\n"
    assert StaticServiceDiscovery(tmp_path / "none.yaml").deregister_service("a") is False
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new.json", "new.yaml"]


def test_mode_and_owner_stay_and_nothing_is_left_behind(path):
    path.chmod(0o640)
    owner = (12345, 54321) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    StaticServiceDiscovery(path).register_service("a", NEW)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert (status.st_uid, status.st_gid) == owner
    assert [each.name for each in path.parent.iterdir()] == ["services.yaml"]


def test_a_symbolic_link_stays_and_its_target_is_written(path, tmp_path):
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "link.yaml"
    link.symlink_to("../services.yaml")
    StaticServiceDiscovery(link).register_service("a", NEW)
    assert link.is_symlink()
    assert "\na:\n" in path.read_text()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "address"),
        ({"address": "0.0.0.0"}, "address: expected"),
        ({"address": "a", "port": 0}, "port: expected"),
        ({"address": "a", "tags": {"x": 1}}, "tags: expected"),
        ({"address": "a", "check": {"http": "file:///x"}}, "check.http: expected"),
        ({"instances": [{"address": "10.0.0.1"}]}, "one instance at a time"),
    ],
)
def test_data_that_make_no_instance(path, data, words):
    with pytest.raises(ValueError, match=words):
        StaticServiceDiscovery(path).register_service("a", data)
    assert path.read_text() == FILE


@pytest.mark.parametrize("name", ["", "*", "<<", "é", "a\nb", "a" * 64, ".hidden"])
def test_names_that_make_no_service(path, name):
    with pytest.raises(ValueError, match="name"):
        StaticServiceDiscovery(path).register_service(name, NEW)
    assert path.read_text() == FILE


@pytest.mark.parametrize("name", ["yes", "null", "1", "a: b", "a #b", "café", "'x'", "- x", "&x", "[x]", "{x", "# x", "x "])
def test_names_that_yaml_must_quote(path, name):
    provider = StaticServiceDiscovery(path)
    provider.register_service(name, NEW | {"meta": {"k": "yes: #", "n": "~", "e": ""}})
    assert provider.get_service(name)["meta"] == {"k": "yes: #", "n": "~", "e": ""}
    assert provider.deregister_service(name)
    assert path.read_text() == FILE


def test_what_yaml_has_no_word_for_becomes_one_it_has(path):
    from dnsdisco.model.service import Health

    provider = StaticServiceDiscovery(path)
    provider.register_service(
        "a", {"address": "10.0.0.1", "tags": ("x", "y"), "health": Health.CRITICAL, "port": None, "meta": {1: True}}
    )
    assert provider.get_service("a")["instances"][0] | {"url": ""} == {
        "url": "",
        "address": "10.0.0.1",
        "port": None,
        "scheme": "",
        "tags": ["x", "y"],
        "meta": {"1": "true"},
        "id": "a-10.0.0.1",
        "health": "critical",
    }


def test_a_broken_file_is_not_touched(path):
    path.write_text("a: [\n")
    provider = StaticServiceDiscovery(path)
    for change in (lambda: provider.register_service("b", NEW), lambda: provider.deregister_service("a")):
        with pytest.raises(ProviderError, match=r"services.yaml:1:5: .*it is not changed"):
            change()
    assert path.read_text() == "a: [\n"


def test_a_read_only_file_is_not_supported(path, monkeypatch):
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda target, mode: bool(target.stat().st_mode & 0o222))  # root may write anything
    with pytest.raises(NotSupported, match=r"cannot be written: .*read-only"):
        StaticServiceDiscovery(path).register_service("a", NEW)
    assert path.read_text() == FILE


@pytest.mark.parametrize(
    ("code", "error"), [(errno.EROFS, NotSupported), (errno.EBUSY, NotSupported), (errno.ENOSPC, ProviderError)]
)
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_when_the_file_system_says_no(path, monkeypatch, code, error, call):
    real = getattr(os, call)

    def fail(*args, **kwargs):
        if call == "open" and not args[1] & os.O_CREAT:
            return real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(f"dnsdisco.providers.static.atomic_file.os.{call}", fail)
    with pytest.raises(error, match=os.strerror(code).lower()):
        StaticServiceDiscovery(path).register_service("a", NEW)
    monkeypatch.undo()
    assert path.read_text() == FILE
    assert [each.name for each in path.parent.iterdir()] == ["services.yaml"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(NotSupported, match="no such file"):
        StaticServiceDiscovery(tmp_path / "x" / "services.yaml").register_service("a", NEW)


def test_a_writer_that_hangs_is_waited_for_and_named(path, monkeypatch):
    monkeypatch.setattr(atomic_file, "LOCK_WAIT_S", 0.1)
    with atomic_file.exclusive(path):
        began_at = time.monotonic()
        with pytest.raises(atomic_file.Busy, match="another program"), atomic_file.exclusive(path, 0.1):
            pass
        assert 0.1 <= time.monotonic() - began_at < 2
    with atomic_file.exclusive(path, 0.1):
        pass


def test_a_file_system_that_locks_no_folders(path, monkeypatch):
    real = fcntl.flock

    def flock(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "no locks on folders")
        real(descriptor, operation)

    monkeypatch.setattr("dnsdisco.providers.static.atomic_file.fcntl.flock", flock)
    with atomic_file.exclusive(path), pytest.raises(atomic_file.Busy), atomic_file.exclusive(path, 0.05):
        pass
    StaticServiceDiscovery(path).register_service("a", NEW)
    assert "\na:\n" in path.read_text()


def register_many(path, writer, number):
    provider = StaticServiceDiscovery(path)
    for turn in range(number):
        provider.register_service("shared", {"id": f"{writer}-{turn}", "address": f"10.{writer}.0.{turn + 1}", "port": 80})
        provider.register_service(f"own-{writer}-{turn}", {"address": "10.0.0.1", "port": 80})
        if turn:
            assert provider.deregister_service(f"own-{writer}-{turn - 1}")


def test_many_processes_at_once_lose_nothing(path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=register_many, args=(path, writer, 5)) for writer in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    services = StaticServiceDiscovery(path).get_services()
    assert {each["id"] for each in services["shared"]["instances"]} == {
        f"{writer}-{turn}" for writer in range(4) for turn in range(5)
    }
    assert set(services) == {"auth", "web", "mail", "shared", *(f"own-{writer}-4" for writer in range(4))}
    assert path.read_text().startswith(FILE.partition("# the end")[0])


def test_many_threads_at_once_lose_nothing_and_no_reader_sees_a_part(path):
    reader = StaticServiceDiscovery(path)
    threads = [threading.Thread(target=register_many, args=(path, writer, 4)) for writer in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert {"auth", "web", "mail"} <= set(reader.get_services())
        time.sleep(0.001)  # writers need the interpreter too
    assert len(reader.get_service("shared")["instances"]) == 16


addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "db.example", "::1"])
one = st.fixed_dictionaries(
    {"address": addresses},
    optional={
        "id": st.sampled_from(["a", "b", "yes"]),
        "port": st.integers(1, 9),
        "tags": st.lists(st.sampled_from(["x", "1.10", "a: b", "é"]), max_size=2),
        "weight": st.integers(0, 3),
        "url": st.sampled_from(["http://a:1/x", "tcp://b:2"]),
        "meta": st.dictionaries(st.sampled_from(["k", "no"]), st.sampled_from(["", "~", "v"]), max_size=2),
    },
)
full = st.fixed_dictionaries(
    {"instances": st.lists(one, max_size=3)}, optional={"scheme": st.just("http"), "ttl": st.integers(0, 9)}
)
files = st.dictionaries(st.sampled_from(["web", "auth", "no", "a b", "x.y"]), st.one_of(one, full), max_size=4)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(["web", "auth", "no", "new"]), one),
        st.tuples(st.just("remove"), st.sampled_from(["web", "auth", "no", "new"]), st.sampled_from([None, "a", "yes"])),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(files, changes, st.sampled_from([True, False, None]), st.booleans())
def test_any_run_of_changes_is_what_it_would_be_on_plain_data(file, steps, flow, is_json):
    """And every line that says nothing of the service in question is the same before and after."""
    from dnsdisco.model.service_data import service_from_data

    name_of_file = "x.json" if is_json else "x.yaml"
    plain = json.loads(json.dumps(file))
    text = (
        json.dumps(file, indent=2)
        if is_json
        else yaml.dump(file, default_flow_style=flow, allow_unicode=True, sort_keys=False)
        if file
        else ""
    )
    for kind, name, argument in steps:
        if kind == "put":
            service, _ = service_from_data(name, argument)
            change = put(name, argument, service.instances[0].id)
        else:
            change = remove(name, argument)
        has_changed = change(plain)
        new = edit(text, name_of_file, name, change)
        assert (new is not None) == has_changed
        if new is None:
            continue
        text = new
        data = parse(text, name_of_file)
        assert set(data) == set(plain)
        for each, value in plain.items():
            assert service_from_data(each, data[each])[0] == service_from_data(each, value)[0]
