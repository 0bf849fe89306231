"""The watched file, changed in every way in which files are changed."""

import os
import threading
import time

import pytest
from structlog.testing import capture_logs

from dnsdisco.errors import ProviderError
from dnsdisco.providers import static
from dnsdisco.providers.static import StaticServiceDiscovery
from dnsdisco.testing import Watch

SEEN_WITHIN_S = 0.2  # of the write; tests give it more, for machines that are busy
PATIENCE_S = 3.0


def service(*names):
    return "".join(f"{name}: {{address: 10.0.0.1}}\n" for name in names)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "services.yaml"
    path.write_text(service("a"))
    return path


@pytest.fixture
def watch(path):
    with Watch(StaticServiceDiscovery(path)) as watch:
        assert watch.wait_for({"a"}, PATIENCE_S)
        yield watch


def test_a_change_is_seen_within_its_time(watch, path):
    took = []
    for turn in range(5):
        began_at = time.monotonic()
        path.write_text(service("a", f"b{turn}"))
        assert watch.wait_for({"a", f"b{turn}"}, PATIENCE_S)
        took.append(time.monotonic() - began_at)
    assert sorted(took)[2] < SEEN_WITHIN_S


def test_replaced_by_rename(watch, path):
    new = path.with_suffix(".new")
    new.write_text(service("b"))
    new.replace(path)
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_replaced_as_editors_do(watch, path):
    path.rename(path.with_suffix(".bak"))
    path.write_text(service("b"))
    assert watch.wait_for({"b"}, PATIENCE_S)
    assert all(each.services for each in watch.yielded)


def test_the_same_size_at_the_same_time(watch, path):
    times = path.stat()
    path.write_text(service("b"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_a_config_map_turns_its_symbolic_link(tmp_path):
    for version in ("1", "2", "3"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "services.yaml").write_text(service(f"v{version}"))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "services.yaml").symlink_to("..data/services.yaml")
    with Watch(StaticServiceDiscovery(tmp_path / "services.yaml")) as watch:
        assert watch.wait_for({"v1"}, PATIENCE_S)
        for version in ("2", "3"):
            (tmp_path / "..data_tmp").symlink_to(f"..{version}")
            (tmp_path / "..data_tmp").replace(tmp_path / "..data")
            assert watch.wait_for({f"v{version}"}, PATIENCE_S)


def test_the_folder_is_replaced(tmp_path):
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "services.yaml").write_text(service("a"))
    with Watch(StaticServiceDiscovery(folder / "services.yaml")) as watch:
        assert watch.wait_for({"a"}, PATIENCE_S)
        folder.rename(tmp_path / "old")
        time.sleep(0.2)
        folder.mkdir()
        (folder / "services.yaml").write_text(service("b"))
        assert watch.wait_for({"b"}, PATIENCE_S)


def test_a_writer_that_pauses_is_not_read_in_between(watch, path):
    with path.open("w") as file:  # truncated: an empty file would have no services
        file.flush()
        time.sleep(0.01)
        file.write(service("a", "b"))
        file.flush()
        time.sleep(0.01)
        file.write(service("c"))
    assert watch.wait_for({"a", "b", "c"}, PATIENCE_S)
    assert all(("", "a") in each.services for each in watch.yielded)


def test_a_file_that_never_rests_is_read_all_the_same(watch, path, monkeypatch):
    done = threading.Event()

    def write():
        turn = 0
        while not done.wait(0.01):
            turn += 1
            with path.open("a") as file:
                file.write(f"b{turn}: {{address: 10.0.0.2}}\n")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert watch.wait(lambda: len(watch.yielded[-1].services) > 5, PATIENCE_S)
    finally:
        done.set()
        thread.join()


def test_a_broken_file_keeps_the_old_data_and_says_where(watch, path):
    with capture_logs() as logs:
        path.write_text("a: [\n")
        assert wait_until(lambda: logs)
        time.sleep(0.3)
    assert [log["log_level"] for log in logs] == ["error"]  # once
    assert f"{path}:1:5: this is not YAML" in logs[0]["event"]
    assert "the last good data stay" in logs[0]["event"]
    assert watch.names() == {"a"}
    path.write_text(service("b"))
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_a_file_that_is_removed_keeps_the_old_data_and_says_so(watch, path):
    with capture_logs() as logs:
        path.unlink()
        assert wait_until(lambda: logs)
    assert "no such file; the last good data stay" in logs[0]["event"]
    assert watch.thread.is_alive()
    assert watch.names() == {"a"}
    path.write_text(service("b"))
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_one_bad_service_does_not_keep_the_others(watch, path):
    path.write_text(service("b") + "c: {address: 0.0.0.0}\n")
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_an_idle_file_gives_heartbeats_and_a_broken_one_none(path, monkeypatch):
    monkeypatch.setattr(static, "HEARTBEAT_S", 0.05)
    with Watch(StaticServiceDiscovery(path)) as watch:
        assert watch.wait(lambda: len(watch.yielded) >= 4, PATIENCE_S)
        assert all(each is watch.yielded[0] for each in watch.yielded)
        with capture_logs() as logs:
            path.write_text("[")
            assert wait_until(lambda: logs)
        yielded = len(watch.yielded)
        time.sleep(0.3)
        assert len(watch.yielded) == yielded


def test_the_first_read_raises(path):
    path.write_text("[")
    with Watch(StaticServiceDiscovery(path)) as watch:
        assert watch.wait(lambda: watch.error, PATIENCE_S)
    assert isinstance(watch.error, ProviderError)
    assert watch.yielded == []


def test_a_file_that_nobody_named_may_come_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Watch(StaticServiceDiscovery(environ={})) as watch:
        assert watch.wait_for(set(), PATIENCE_S)
        (tmp_path / "services.yaml").write_text(service("a"))
        assert watch.wait_for({"a"}, PATIENCE_S)
        (tmp_path / "services.yaml").unlink()
        time.sleep(0.3)
        assert watch.names() == {"a"}


def test_what_is_registered_is_seen(watch, path):
    provider = StaticServiceDiscovery(path)
    provider.register_service("b", {"address": "10.0.0.2", "port": 80})
    assert watch.wait_for({"a", "b"}, PATIENCE_S)
    provider.deregister_service("a")
    assert watch.wait_for({"b"}, PATIENCE_S)


def wait_until(is_so, within_s=PATIENCE_S):
    deadline = time.monotonic() + within_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(is_so())
