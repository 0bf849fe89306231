"""Whose a file may be that was only found."""

from __future__ import annotations

import stat

import pytest

from dnsdisco.written.trust import distrusted

FILE, LINK = stat.S_IFREG, stat.S_IFLNK
OTHER, EVERYBODY, GROUP = "it belongs to another user", "everybody may write it", "another group may write it"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([(1000, 1000, FILE | 0o644)], ""),
        ([(0, 0, FILE | 0o644)], ""),
        ([(0, 0, FILE | 0o664)], ""),
        ([(1000, 1000, FILE | 0o664)], ""),  # each user a group of their own, umask 002
        ([(1001, 1000, FILE | 0o644)], OTHER),
        ([(1000, 1000, FILE | 0o646)], EVERYBODY),
        ([(0, 0, FILE | 0o666)], EVERYBODY),
        ([(1000, 50, FILE | 0o664)], GROUP),
        ([(1000, 50, FILE | 0o644)], ""),
        ([(1000, 1000, FILE | 0o600), (1000, 1000, LINK | 0o777)], ""),
        ([(1000, 1000, FILE | 0o600), (1001, 1001, LINK | 0o777)], OTHER),
    ],
)
def test_of_a_user(found, said):
    assert distrusted(found, 1000, 1000, {"SUDO_UID": "1001"}) == said


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, OTHER),
        ({"SUDO_UID": "1000"}, ""),
        ({"SUDO_UID": "1001"}, OTHER),
        ({"SUDO_UID": ""}, OTHER),
        ({"SUDO_UID": "-1"}, OTHER),
    ],
)
def test_of_root_who_may_have_been_a_user(environ, said):
    assert distrusted([(1000, 1000, FILE | 0o644)], 0, 0, environ) == said
