"""The address of a backend that speaks HTTP."""

from __future__ import annotations

from typing import NamedTuple


class Endpoint(NamedTuple):
    """The address of the server. `path`: of its Unix socket; then host and port are only for the Host field.

    `prefix`: of every path, where the server is behind a gateway; "" or such as `/consul`.
    """

    host: str
    port: int
    scheme: str = "http"
    path: str = ""
    prefix: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{self.prefix}"
