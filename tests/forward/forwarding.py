"""A forwarder for the length of a test."""

from __future__ import annotations

import asyncio

from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.forward.limits import ForwardLimits
from dnsdisco.settings.sections import ForwardSettings
from dnsdisco.wire.constants import A, RD
from tests.forward.upstream import question


def run(work, *addresses, limits: ForwardLimits | None = None, own=(), secret=b"", **settings):
    """What *work*, a coroutine function of a started forwarder, returns. The forwarder leaves nothing behind that it asked.

    *addresses*: of its upstreams; *settings*: what else ForwardSettings has.
    """

    async def main():
        forwarder = Forwarder(ForwardSettings(upstreams=addresses, **settings), own=own, limits=limits, secret=secret)
        await forwarder.start()
        try:
            return await work(forwarder)
        finally:
            await forwarder.close()
            assert not forwarder._pending

    return asyncio.run(main())


def ask(forwarder, name="www.test.", qtype=A, flags=RD, dnssec_ok=False):
    return forwarder.exchange(question(name, qtype), flags=flags, dnssec_ok=dnssec_ok)
