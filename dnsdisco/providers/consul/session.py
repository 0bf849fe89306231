"""Our connection to an agent in the place of the `requests` session that both Consul packages send through."""

from __future__ import annotations

from dnsdisco.providers.http import BackendConnection, HttpReply


class AgentSession(BackendConnection):
    def get(self, uri: str, **_: object) -> AgentResponse:
        """The whole answer, whatever its status. Raises NoAnswer."""
        return AgentResponse(self.request("GET", _target(uri)))

    def put(self, uri: str, data: str | bytes = "", **_: object) -> AgentResponse:
        return AgentResponse(self.request("PUT", _target(uri), data.encode() if isinstance(data, str) else data))


class AgentResponse:
    """The part of a requests.Response that the packages use."""

    def __init__(self, reply: HttpReply) -> None:
        self.status_code, self.headers, self.content = reply
        self.encoding = "utf-8"

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


def _target(uri: str) -> str:
    return uri[uri.index("/", uri.index("://") + 3) :]
