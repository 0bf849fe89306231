"""The state_dir: the last good views of the providers, and the bound of the serials. A reload may name another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dnsdisco.control.facts import ProblemView
from dnsdisco.control.log import Logger
from dnsdisco.control.serials import FloorFile
from dnsdisco.control.view_store import ViewStore


class StateFolder:
    """*path* None: nothing is kept. The loop's thread only."""

    def __init__(self, path: str | None, environ: Mapping[str, str], log: Logger, *, is_successor: bool) -> None:
        self._path, self._environ, self._log, self._is_successor = path, environ, log, is_successor
        self.views = self._views()
        self.floor = FloorFile(path, log)

    def move(self, path: str | None) -> None:
        """It is *path* from now on; what is kept goes there. The views of the old one are written before."""
        if path != self._path:
            self.views.close()
            self._path = path
            self.views = self._views()
            self.floor.move(path)

    def problems(self) -> Sequence[ProblemView]:
        """Why what is to outlive this process would not."""
        reason = self.views.reason or self.floor.reason
        what = "last known services" if self.views.reason else "the serial"
        return [ProblemView("state", self._path or "", f"{what} cannot be kept: {reason}")] if reason else []

    def _views(self) -> ViewStore:
        return ViewStore(self._path, self._environ, self._log, is_successor=self._is_successor)
