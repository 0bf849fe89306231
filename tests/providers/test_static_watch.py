"""The watched file, changed in every way in which files are changed."""

import errno
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from dnsdisco.errors import ProviderError
from dnsdisco.providers import file_state, open_writers
from dnsdisco.providers.file_state import Changes, FileState
from dnsdisco.providers.open_writers import OpenWriters
from dnsdisco.providers.static import content, StaticServiceDiscovery
from dnsdisco.providers.static import provider as static
from dnsdisco.testing import Watch

SEEN_WITHIN_S = 0.2  # of the write; tests give it more, for machines that are busy
PATIENCE_S = 3.0


class Again(Watch):
    """Watches anew after an error, as the server does; `last` is the last one."""

    errors = 0
    last = None

    def _run(self):
        while not self.stop.is_set():
            self.error = None
            super()._run()
            with self._news:
                if self.error is not None:
                    self.errors, self.last = self.errors + 1, self.error
                self._news.notify_all()
            self.stop.wait(0.02)


def service(*names):
    return "".join(f"{name}: {{address: 10.0.0.1}}\n" for name in names)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "services.yaml"
    path.write_text(service("a"))
    return path


@pytest.fixture
def watch(path):
    with Again(StaticServiceDiscovery(path)) as watch:
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
    with Again(StaticServiceDiscovery(folder / "services.yaml")) as watch:
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


@pytest.mark.slow
def test_a_writer_that_pauses_at_the_end_of_a_line_is_not_read_in_between(watch, path, monkeypatch):
    """What is there then is a whole file, as far as anybody can tell: only shorter than the one before."""
    monkeypatch.setattr(file_state, "SHRUNK_S", 1.5)  # for a machine that is busy
    names = [f"s{n}" for n in range(6)]
    path.write_text(service(*names))
    assert watch.wait_for(set(names), PATIENCE_S)
    with path.open("w") as file:
        for name in names:
            file.write(service(name))
            file.flush()
            time.sleep(0.15)
            assert set(names) <= watch.names()
        file.write(service("more"))
    assert watch.wait_for({*names, "more"}, PATIENCE_S)
    path.write_text(service("s1"))
    assert watch.wait_for({"s1"}, PATIENCE_S)


def _in_place(path):
    return path.open("w")


def _removed_and_made_anew(path):
    path.unlink()
    return path.open("w")


def _through_a_link(path):
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    return link.open("w")


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
@pytest.mark.parametrize("opened", [_in_place, _removed_and_made_anew, _through_a_link])
@pytest.mark.parametrize("before", [8, 2], ids=["shorter", "longer"])
def test_what_a_writer_still_has_open_is_not_read(watch, path, opened, before):
    """It pauses for two seconds, at the end of a line: what is there is a whole file, and not the one that is meant."""
    names = {f"s{n}" for n in range(before)}
    path.write_text(service(*sorted(names)))
    assert watch.wait_for(names, PATIENCE_S)
    with opened(path) as file:
        for part in (["n0", "n1", "n2"], sorted(names)):
            file.write(service(*part))
            file.flush()
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                assert watch.names() == names
                time.sleep(0.02)
    assert watch.wait_for({"n0", "n1", "n2", *names}, PATIENCE_S)


@pytest.mark.parametrize(("held", "rest"), [("HELD_S", 0.0), ("HELD_S_MAX", 0.03)])
def test_a_writer_that_never_closes_is_not_waited_for_for_ever(path, monkeypatch, held, rest):
    monkeypatch.setattr(file_state, held, 0.6)
    with Again(StaticServiceDiscovery(path)) as watch, path.open("a") as file:
        assert watch.wait_for({"a"}, PATIENCE_S)
        file.write(service("b", "c"))
        file.flush()
        until = time.monotonic() + PATIENCE_S
        while watch.names() != {"a", "b", "c"}:
            assert time.monotonic() < until
            if rest:
                os.utime(path)  # it does not come to rest either
            time.sleep(rest or 0.05)


def test_without_the_kernels_word_a_file_is_read_as_its_state_says(path, monkeypatch):
    """Another system, or a user that has too many watches."""
    monkeypatch.setattr(open_writers, "_begin", lambda: open_writers._NONE)
    with Again(StaticServiceDiscovery(path)) as watch:
        assert watch.wait_for({"a"}, PATIENCE_S)
        with path.open("w") as file:
            file.write(service("b", "c"))
            file.flush()
            assert watch.wait_for({"b", "c"}, PATIENCE_S)


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_files_are_told_apart_and_forgotten(tmp_path):
    one, other = (tmp_path / name for name in ("one", "other"))
    one.write_text("1")
    other.write_text("2")
    writers = OpenWriters()
    assert not any(writers.are_at(str(each), file_state.state_of(each)) for each in (one, other))
    with one.open("a") as file:
        assert not writers.are_at(str(one), file_state.state_of(one))  # it has changed nothing yet
        file.write("1")
        file.flush()
        assert writers.are_at(str(one), file_state.state_of(one))
        assert not writers.are_at(str(other), file_state.state_of(other))
        writers.forget(str(one))
        assert not writers.are_at(str(one), file_state.state_of(one))
    other.write_text("3")
    other.replace(one)
    assert not writers.are_at(str(one), file_state.state_of(one))
    writers.close()
    writers.close()
    assert not writers.are_at(str(one), file_state.state_of(one))


def test_what_is_shorter_is_believed_when_it_has_been_at_rest():
    def state(octets, inode=1, time=0):
        return FileState(1, inode, octets, time, time)

    for new, due_at in ((state(10), 0.5), (state(10, inode=2), 0.04), (state(200), 0.04), (None, 0.04)):
        changes = Changes(state(100))
        looks = [at * 0.04 for at in range(1, 30)]
        due = next(at for at in looks if changes.is_due(new, at, 5.0))
        assert due_at < due <= due_at + 0.13
    changes = Changes(state(100))  # and one that does not come to rest after five seconds
    due = next(at for at in range(1, 300) if changes.is_due(state(10, time=at), at * 0.04, 5.0))
    assert 5.0 <= due * 0.04 < 5.2


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


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_text("a: {{\n"), ":1:5: "),
        (lambda path: path.write_text("a: [\n"), ":1:5: this is not YAML"),
        (lambda path: path.write_text("- a\n"), ":1:1: expected a mapping of service names"),
        (lambda path: path.write_bytes(b"a: {address: \xff}\n"), ":1:14: this is not UTF-8: octet 0xff"),
        (lambda path: path.write_text("a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 40)}]\n" for n in range(9))), "more than 5000000 values"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: (path.unlink(), path.mkdir()), "this is not a regular file"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "this is not a regular file"),
        (lambda path: (path.unlink(), path.symlink_to(path)), "too many levels of symbolic links"),
        (lambda path: os.truncate(path, 40_000_000), "the file is larger than 33554432 octets"),
    ],
    ids=["unclosed", "unclosed list", "a list", "no UTF-8", "alias bomb", "removed", "folder", "pipe", "link to itself", "huge"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_a_loss_told_once_and_mended_by_the_next_good_one(watch, path, spoil, reason):
    spoil(path)
    assert watch.wait(lambda: watch.last, file_state.HELD_S + PATIENCE_S)  # truncate() is a change that nothing closes
    assert isinstance(watch.last, ProviderError)
    assert str(path) in str(watch.last)
    assert reason in str(watch.last)
    time.sleep(0.3)
    assert watch.errors == 1  # watched again, and silent while nothing changes
    assert watch.names() == {"a"}
    new = path.with_suffix(".new")
    new.write_text(service("b"))
    if path.is_dir():
        path.rmdir()
    new.replace(path)
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_a_file_that_may_not_be_read_any_more():
    """By an ordinary user: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "services.yaml"
        path.write_text(service("a"))
        Path(folder).chmod(0o777)
        path.chmod(0o666)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with Again(StaticServiceDiscovery(path)) as watch:
                assert watch.wait_for({"a"}, PATIENCE_S)
                os.seteuid(user)
                path.chmod(0)
                if user == 0:
                    os.seteuid(65534)
                assert watch.wait(lambda: watch.last, PATIENCE_S)
                assert "permission denied" in str(watch.last)
                os.seteuid(user)
                path.chmod(0o666)
                path.write_text(service("b"))
                assert watch.wait_for({"b"}, PATIENCE_S)
        finally:
            os.seteuid(user)


def test_a_fault_without_a_trace_in_the_state_is_tried_again(watch, path, monkeypatch):
    """A disk or a server of files that fails for a while."""
    monkeypatch.setattr(static, "RETRY_S", 0.2)
    read = content.read
    monkeypatch.setattr(static, "read", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    path.write_text(service("b"))
    assert watch.wait(lambda: watch.errors >= 2, PATIENCE_S)
    monkeypatch.setattr(static, "read", read)
    assert watch.wait_for({"b"}, PATIENCE_S)


@pytest.mark.slow
def test_a_file_that_is_emptied_for_a_moment_keeps_its_services_and_then_is_believed(watch, path, monkeypatch):
    monkeypatch.setattr(static, "EMPTY_S", 1.5)
    path.write_text("")
    time.sleep(file_state.UNSETTLED_S + 0.3)
    path.write_text(service("a", "b"))
    assert watch.wait_for({"a", "b"}, PATIENCE_S)
    assert all(each.services for each in watch.yielded)
    path.write_text("")
    assert watch.wait_for(set(), static.EMPTY_S + PATIENCE_S)


def test_a_file_that_grows_while_it_is_read_is_never_read_in_part(watch, path, monkeypatch):
    fstat, grows = os.fstat, [True]

    def growing(descriptor):
        if grows[0]:
            with path.open("a") as file:
                file.write("c: {address: 10.0.0.3}\n")
        return fstat(descriptor)

    monkeypatch.setattr("dnsdisco.providers.file_state.os.fstat", growing)
    path.write_text(service("a", "b"))
    assert watch.wait(lambda: watch.last, PATIENCE_S)
    assert "written all the time" in str(watch.last)
    assert watch.names() == {"a"}
    grows[0] = False
    path.write_text(service("a", "b"))
    assert watch.wait_for({"a", "b"}, PATIENCE_S)


def test_one_bad_service_does_not_keep_the_others(watch, path):
    path.write_text(service("b") + "c: {address: 0.0.0.0}\n")
    assert watch.wait_for({"b"}, PATIENCE_S)


def test_an_idle_file_gives_heartbeats_and_a_broken_one_none(path, monkeypatch):
    monkeypatch.setattr(static, "HEARTBEAT_S", 0.05)
    with Again(StaticServiceDiscovery(path)) as watch:
        assert watch.wait(lambda: len(watch.yielded) >= 4, PATIENCE_S)
        assert all(each is watch.yielded[0] for each in watch.yielded)
        path.write_text("[")
        assert watch.wait(lambda: watch.last, PATIENCE_S)
        yielded = len(watch.yielded)
        time.sleep(0.3)
        assert len(watch.yielded) == yielded


def test_the_first_read_raises(path):
    path.write_text("[")
    with Watch(StaticServiceDiscovery(path)) as watch:
        assert watch.wait(lambda: watch.error is not None, PATIENCE_S)
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
