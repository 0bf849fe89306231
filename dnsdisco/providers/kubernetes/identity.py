"""Our identity for the API server: the headers of every request."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dnsdisco.providers.kubernetes.kubeconfig import KubeconfigEntry, KubeconfigUnusable

TOKEN_OCTETS_MAX = 65536

Headers = list[tuple[str, str]]


class TokenFile:
    """Read again when it has changed; the last one stays while it cannot be read, and the server will refuse it when it has expired."""

    def __init__(self, path: Path, token: str) -> None:
        self._path, self._token = path, token
        self._state: object = None

    def token(self) -> str:
        """Raises OSError where there never was one."""
        try:
            state = self._path.stat()
            now = (state.st_mtime_ns, state.st_size, state.st_ino)
            if now != self._state:
                with self._path.open(encoding="utf-8", errors="replace") as file:
                    read = file.read(TOKEN_OCTETS_MAX).strip()
                self._token, self._state = read or self._token, now
        except OSError:
            if not self._token:
                raise
        return self._token


def basic(user: KubeconfigEntry) -> str:
    """The Authorization of a user with a name and a password; "" without."""
    name, password = user.text("username"), user.text("password")
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}" if name or password else ""


def impersonation(user: KubeconfigEntry) -> Headers:
    """The headers of impersonation: the API server then allows what that user may do. Raises Unusable if they are incomplete."""
    name, uid = user.text("as"), user.text("as-uid")
    groups, extra = _texts(user, "as-groups", user.said.get("as-groups")), user.said.get("as-user-extra") or {}
    if not isinstance(extra, Mapping):
        raise KubeconfigUnusable(f"{user}: as-user-extra: expected a mapping of names to lists of texts")
    headers = [("Impersonate-User", name)] if name else []
    if uid:
        headers.append(("Impersonate-Uid", uid))
    headers += [("Impersonate-Group", group) for group in groups]
    for key, values in extra.items():
        field = f"Impersonate-Extra-{quote(str(key).lower(), safe='')}"
        headers += [(field, value) for value in _texts(user, f"as-user-extra.{key}", values)]
    if headers and not name:
        raise KubeconfigUnusable(f"{user}: as-uid, as-groups and as-user-extra need `as`")
    return headers


def _texts(user: KubeconfigEntry, key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise KubeconfigUnusable(f"{user}: {key}: expected a list of texts")
    return value
