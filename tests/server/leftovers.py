"""Connections that a test's clients have left open in its loop: cut, so that no later test is told of them."""

from __future__ import annotations

import asyncio


async def cut() -> None:
    loop = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        transport.abort()
    for _ in range(5):  # TLS, its transport, the socket: a turn each
        await asyncio.sleep(0)
