"""A gateway before an agent: under a path of its own, for who knows its password."""

from __future__ import annotations

import base64
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Gateway:
    """Passes `PREFIX/v1/…` on to the agent at *port*. `seen`: the paths that came, as they came."""

    def __init__(self, port: int, prefix: str = "/consul", auth: str = "me:pass:word") -> None:
        self.seen: list[str] = []
        expected = f"Basic {base64.b64encode(auth.encode()).decode()}"
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                gateway.seen.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers["Authorization"] != expected:
                    self._say(401, b"no", {})
                    return
                assert self.path.startswith(f"{prefix}/v1/")
                agent = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                agent.request(self.command, self.path.removeprefix(prefix), body=body or None)
                answer = agent.getresponse()
                kept = {key: value for key, value in answer.getheaders() if key.lower().startswith(("x-consul", "location"))}
                self._say(answer.status, answer.read(), kept)
                agent.close()

            do_GET = do_PUT = _pass_on  # noqa: N815  as the standard library calls them

            def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that has gone while the agent was waited for."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}{prefix}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
