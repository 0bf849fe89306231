"""Asking upstream resolvers: one question in, the upstream's whole reply out.

Enters: a question as the client spelled it, the RD, AD and CD bits, DO. Leaves: a reply whose question is proven to be that one, or
UpstreamError. Nothing is decoded and nothing is kept: the records pass as octets, and what may be sent to a client is decided in
`answer`. The room does I/O (sockets, timers and tasks of the running event loop); `message`, `mark`, `health` and `routes` do not.

The rules (docs/forwarding.md says them for users):
- Every question goes out from a fresh connected UDP socket with an id from the system's CSPRNG. What comes back and does not match is
  counted and waited past. Whatever casts doubt on the path (a wrong id, a changed case, records that cannot be read) is settled over
  TCP, where nobody can guess.
- Upstreams are asked in the order they were written, those that are known to be silent last (`pulse.py`). Where one does not answer in
  time, the next is asked as well: its answer is used, its denial only when the better-placed one has had its time.
- Every question ends within `ForwardLimits.deadline_s`, and at most `pending` questions are on their way.
- Nobody waits on a loop: equal questions share one exchange, so a question that comes back to us asks nothing anew; and an upstream that
  leads back to us is found by asking it for a name that only we can know, and left out (`loops.py`).
- Our own names are answered between two turns: questions begin a few in each (`line.py`).

Read first: `forwarder.py`, then `exchange.py`.
"""

from dnsdisco.forward.forwarder import Forwarder
from dnsdisco.forward.settings import ForwardLimits, ForwardSettings

__all__ = ["ForwardLimits", "ForwardSettings", "Forwarder"]
