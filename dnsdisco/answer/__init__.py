"""From a query and the catalog to a decision. The decision is a value; nothing in this room sends anything.

    decision.py         the outcomes, a closed union: Reply, Forward, Gather
    decide.py           from a query to a decision
    admit.py            which clients may ask, and how much they may receive: by network
    rate.py             how much one network receives over UDP
    fast_path.py        what the datagram loop answers by itself, and for which clients
    table.py            the compiled answers, by the octets of the question
    prepared.py         one compiled answer: a reply encoded once for every client
    hot_entries.py      cached answers that are asked often, in that same table
    settings.py         what the configuration says about answers
  Our own names:
    own_zones.py        what the lookup found, as a reply
    additional.py       addresses beside records that name hosts
    flatten.py          instances whose address is a host name
    sources.py          where an answer came from, in a word
    trace.py            the steps on the way to an answer, where they are wanted
    narration.py        what was found and decided, as such steps
    reasons.py          why an answer is empty, as text for the client
    staleness.py        the reasons beside records: stale data, no healthy instance
    special_use.py      special-use names
    special_reply.py    the replies to them
  Names of others:
    cached_reply.py     cache keys, and what a cached entry is to a client
    believe.py          what is believed of an upstream's reply
    steps.py            what an answer still wants from upstreams, one step after another
    resume.py           our answer completed by what upstreams replied
    aliases.py          how many aliases in a row are followed
    rebinding.py        private addresses that no public name should have

Rules of the room: PURE; imports `errors`, `model`, `zone`, `wire`, `cache`; time and randomness come as arguments.
Read first: `decision.py`, `decide.py`, `steps.py`, `believe.py`.
"""
