"""Stand-ins for control and a worker: as little as the supervisor can see of them. `python standin.py ROLE MODE FD`.

A worker answers each datagram with its pid and number, and each connection likewise. MODE: a comma list of

    slow        control says ready after half a second
    fatal       control says fatal, then exits 78
    dies        exits 3 at once
    useless     exits 78 at once
    deaf        ignores SIGTERM
    mute        closes its status pipe and stays
    silent      never says that it is alive

A worker that is sent "spin" is in a loop from then on.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any


def main() -> None:
    role, modes, fd = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
    with os.fdopen(fd, "rb") as document:
        plain = json.load(document)
    status = os.fdopen(plain["status_fd"], "w", buffering=1)

    def say(event: str, **fields: Any) -> None:
        status.write(json.dumps({"event": event, **fields}) + "\n")

    signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in modes else lambda *_: os._exit(0))
    if "dies" in modes or "useless" in modes:
        sys.exit(3 if "dies" in modes else 78)
    if role == "control":
        run_control(plain, modes, say)
    else:
        say("started")
        if "mute" in modes:
            status.close()
            time.sleep(60)
        run_worker(plain, modes, say)


def run_control(plain: dict[str, Any], modes: list[str], say: Any) -> None:
    hups: list[int] = []
    signal.signal(signal.SIGHUP, lambda *_: hups.append(1))
    time.sleep(0.2 if "late" in modes else 0)
    say("started")
    if "fatal" in modes:
        say("fatal", message="services.yaml:3:5: expected a mapping")
        sys.exit(78)
    links = [socket.socket(fileno=fd) for fd in plain["links"]]
    for link in links:
        link.setblocking(False)
    if "slow" in modes:
        time.sleep(0.5)
    say("keep", kept={"restarts": plain["restarts"], "kept": plain["kept"]})
    settings = plain["settings"]
    say("ready", zones=settings["zones"], providers=["env", "static"], example="auth")
    alive_at = 0.0
    while True:
        time.sleep(0.01)
        if "silent" not in modes and time.monotonic() - alive_at > 0.5:
            alive_at = time.monotonic()
            say("alive", cpu_s=time.process_time())
        if hups:
            hups.clear()
            ttl = settings["ttl"] + 1
            say("reloaded", settings={**settings, "ttl": ttl}, worker_settings={"ttl": ttl})
        for link in links:
            try:
                if link.recv(100) == b"who":
                    link.send(
                        json.dumps(
                            {"pid": os.getpid(), "settings": settings, **{key: plain[key] for key in ("restarts", "kept")}}
                        ).encode()
                    )
            except BlockingIOError:
                pass


def run_worker(plain: dict[str, Any], modes: list[str], say: Any) -> None:
    selector = selectors.DefaultSelector()
    for entry in plain["sockets"]:
        sock = socket.socket(fileno=entry["fd"])
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, entry)
    link = socket.socket(fileno=plain["link_fd"])
    link.setblocking(False)
    selector.register(link, selectors.EVENT_READ, None)
    say("ready")
    asker: tuple[socket.socket, Any] | None = None
    while True:
        if "silent" not in modes:
            say("alive", cpu_s=time.process_time())
        for key, _ in selector.select(0.5):
            assert isinstance(key.fileobj, socket.socket)
            sock, entry = key.fileobj, key.data
            me = {
                "pid": os.getpid(),
                "ppid": os.getppid(),
                "pgid": os.getpgid(0),
                "worker": plain["worker"],
                "address": entry and entry["detail"],
            }
            me |= {"ttl": plain["settings"].get("ttl"), "settings": plain["settings"], "secret": plain["cookie_secret"]}
            try:
                if entry is None:
                    answer = sock.recv(65536)
                    if asker:
                        asker[0].sendto(answer, asker[1])
                elif entry["transport"] == "tcp":
                    connection, _ = sock.accept()
                    connection.sendall(json.dumps(me).encode())
                    connection.close()
                else:
                    data, ancillary, _, peer = sock.recvmsg(512, 512)
                    me["ancillary"] = len(ancillary)
                    while data == b"spin":
                        pass
                    if data == b"control":
                        asker = (sock, peer)
                        link.send(b"who")
                    else:
                        sock.sendto(json.dumps({**me, "echo": data.decode()}).encode(), peer)
            except BlockingIOError:
                pass


main()
