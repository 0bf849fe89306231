"""Keeps the last good views of the providers on disk, and brings them back at a start (view_writer.py does the disk's part)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from dnsdisco.control.log import Logger
from dnsdisco.control.provider_set import Member
from dnsdisco.control.stored_view import Label, label, ViewUnusable
from dnsdisco.control.view_writer import ViewWriter
from dnsdisco.model.service import Snapshot

TOUCH_S = 10.0  # how often a file's time of contact is renewed: `max_stale` is seldom less than a minute


class ViewStore:
    """*folder*: the state_dir; None: nothing is kept. The loop's thread only."""

    def __init__(self, folder: str | None, environ: Mapping[str, str], log: Logger, *, is_successor: bool) -> None:
        self.folder = folder
        self.reason = ""  # why the newest views are not on disk; "": they are, or soon will be
        self._environ, self._log, self._is_successor = environ, log, is_successor
        self._labels: dict[str, tuple[Mapping[str, object], Label]] = {}  # by provider, with the entry that it was made for
        self._kept: dict[str, Snapshot] = {}  # the last one handed over
        self._touched_at = float("-inf")
        self._keeper = ViewWriter(folder, self._on_fault) if folder is not None else None

    def restore(self, members: Iterable[Member], now: float) -> None:
        """Give those that have no view the one of an earlier process. What cannot be used is passed over with a line in the log."""
        self._restore([member for member in members if self._is_wanted(member)], now)

    def restore_unreadable(self, member: Member, now: float) -> bool:
        """The same for one whose source is here and has failed before its first view. True: it has a view now."""
        if not member.watcher.provider.is_local or member.has_asked_memory or member.view is not None:
            return False
        self._restore([member], now)
        return member.view is not None

    def _restore(self, members: Iterable[Member], now: float) -> None:
        for member in members:
            if self._keeper is None or member.view is not None:
                continue
            member.has_asked_memory = True
            try:
                stored = self._keeper.read(self._label(member))
            except ViewUnusable as error:
                self._log.warning("the kept view is not used", provider=member.name, reason=str(error))
                continue
            except OSError as error:
                self._log.warning("the kept view is not used", provider=member.name, reason=error.strerror or str(error))
                continue
            if stored is None:
                continue
            when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(stored.contact_at))
            member.contact.restored(now - (time.time() - stored.contact_at), when)
            if member.contact.is_given_up(now):
                member.contact.restored_at = None
                self._log.info("the kept view is not used", provider=member.name, reason=f"max_stale has passed since {when}")
                continue
            member.view = self._kept[member.name] = member.guard.admit(stored.view, now)
            self._log.info("last known services restored", provider=member.name, services=len(stored.view.services), of=when)

    def keep(self, members: Iterable[Member]) -> None:
        """After a merge: views that are new go to the disk, in their own time. O(providers)."""
        if self._keeper is None:
            return
        for member in members:
            view = member.view
            if view is None or not member.has_spoken or view is self._kept.get(member.name) or not member.watcher.provider.is_kept:
                continue
            self._kept[member.name] = view
            self._keeper.keep(self._label(member), view)

    def touch(self, members: Iterable[Member], now: float) -> None:
        """Once in a while, for providers that are in contact and have no new view."""
        if self._keeper is None or now - self._touched_at < TOUCH_S:
            return
        self._touched_at = now
        self._keeper.touch([member.name for member in members if member.has_spoken and member.contact.lost_at is None])

    def close(self) -> None:
        """Write what is not written yet, if the disk is quick enough. May block for view_writer.CLOSE_S."""
        if self._keeper is not None:
            self._keeper.close()

    def _is_wanted(self, member: Member) -> bool:
        """A source that is here is read at once: its kept view is asked for after a crash, when the workers have its names, or when the
        source has failed."""
        provider = member.watcher.provider
        return provider.is_kept and (not provider.is_local or self._is_successor or member.contact.is_optional)

    def _label(self, member: Member) -> Label:
        made = self._labels.get(member.name)
        if made is None or made[0] is not member.entry:
            kind, variables = str(member.entry["type"]), member.watcher.provider.variables
            made = member.entry, label(member.name, kind, member.own_options, self._environ, _origin(member), variables)
            self._labels[member.name] = made
        return made[1]

    def _on_fault(self, reason: str) -> None:
        """Called in the writer's thread."""
        self.reason = reason
        if reason:
            self._log.warning("views are not kept", state_dir=self.folder, reason=reason)
        else:
            self._log.info("views are kept again", state_dir=self.folder)


def _origin(member: Member) -> str:
    origin = member.watcher.provider.origin
    return origin if isinstance(origin, str) else ""  # a plug-in can set anything
