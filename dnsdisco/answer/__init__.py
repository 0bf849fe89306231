"""What is answered: a query and the catalog in, a decision out; the decision is a value and nothing here sends anything.

Rules of the room: PURE; imports `errors`, `model`, `zone`, `wire`, `cache`; time and randomness come as arguments.
Read first: `decision.py` (the outcomes), `decide.py` (the way to them), `resume.py` (the way on after an upstream's word),
`resolver_reply.py` (what is believed of it).
"""
